"""The one error tree (docs/protocol.md section 8).

Each class is one documented problem: ``slug`` is the RFC 9457 ``type``, ``status`` the HTTP status
(None: raised on a party's own machine, never answered over HTTP), ``en`` and ``zh`` the sentence a
person reads. The exception's text says what was found and what was wanted, never a secret.

    VaultError
    ├── BadInput        400  BadJws BadType BadShape BadPoint BadScalar
    ├── NotKnown        401  UnknownKey StaleProof
    ├── Refused         403  Revoked Paused Expired WrongPurpose
    ├── NotFound        404
    ├── TooSlow         408
    ├── Conflict        409  DifferentBytes AtomUsed NotClosed NotMinted
    ├── Unlinked        410
    ├── StateChanged    412
    ├── TooLarge        413
    ├── OutOfRules      422  NotOffered Gap TooEarly TooLate Absent BeyondTemplate
    ├── TooMany         429
    ├── LogUnavailable  503
    └── Local           —    BadSeal BadTotal BadDirectory BadFile BadMethodology OutOfBounds
                             BadDatabase BadCode Declined BadPlace Unreachable Unsigned
                             FalseAbsent Relink
                             BadProof (NotWitnessed StaleLog OldSize Forked)
"""

from __future__ import annotations

from typing import ClassVar, Literal

Locale = Literal["zh-CN", "en"]


class VaultError(Exception):
    """Root of every error this project raises on purpose."""

    slug: ClassVar[str] = ""
    status: ClassVar[int | None] = None
    en: ClassVar[str] = "Something went wrong."
    zh: ClassVar[str] = "出了点问题。"

    def sentence(self, locale: Locale) -> str:
        """Return the sentence a person reads, in their language."""
        return self.zh if locale == "zh-CN" else self.en


class BadInput(VaultError):
    """What was received is not what the protocol page describes."""

    status = 400


class BadJws(BadInput):
    """Not a compact JWS of ours, or its signature does not verify."""

    slug = "bad-jws"
    en = "The message is damaged or was not signed by who it says."
    zh = "消息已损坏，或签名与署名者不符。"


class BadType(BadInput):
    """A message of another kind than this place takes."""

    slug = "bad-type"
    en = "This is another kind of message than the one expected here."
    zh = "此处不接受这种消息。"


class BadShape(BadInput):
    """Members are missing, unknown, doubled or out of range."""

    slug = "bad-shape"
    en = "The message is incomplete or holds something it should not."
    zh = "消息内容不完整或含有不应有的内容。"


class BadPoint(BadInput):
    """Thirty-two bytes that are not a point of the prime-order group."""

    slug = "bad-point"
    en = "A number in the message is not a valid commitment or key."
    zh = "消息中的承诺值或密钥无效。"


class BadScalar(BadInput):
    """Thirty-two bytes that are not a reduced scalar."""

    slug = "bad-scalar"
    en = "A number in the message is not in its only valid form."
    zh = "消息中的数值不是唯一有效的形式。"


class NotKnown(VaultError):
    """The caller could not be told."""

    status = 401


class UnknownKey(NotKnown):
    """The signing key is not listed where this message's key must be listed, or not valid now."""

    slug = "unknown-key"
    en = "This key is not known here, or not valid now."
    zh = "此处不认识这把密钥，或它目前无效。"


class StaleProof(NotKnown):
    """The DPoP proof is missing, malformed, too old, too new, replayed or for another request."""

    slug = "stale-proof"
    en = "The request's proof is missing, out of date or was used before."
    zh = "请求的证明缺失、过期或已被使用过。"


class Refused(VaultError):
    """The holder's consent does not cover this."""

    status = 403


class Revoked(Refused):
    """The grant was stopped by the holder."""

    slug = "revoked"
    en = "The person has stopped sharing."
    zh = "此人已停止共享。"


class Paused(Refused):
    """The grant is paused by the holder."""

    slug = "paused"
    en = "The person has paused sharing."
    zh = "此人已暂停共享。"


class Expired(Refused):
    """The grant's ``until`` has passed."""

    slug = "expired"
    en = "The consent has expired."
    zh = "同意已到期。"


class WrongPurpose(Refused):
    """The purpose is not one of the grant's."""

    slug = "purpose"
    en = "The person did not agree to this purpose."
    zh = "此人没有同意这一用途。"


class NotFound(VaultError):
    """Unknown, or not yours: the same answer for both."""

    slug = "not-found"
    status = 404
    en = "There is nothing here for you."
    zh = "这里没有属于您的内容。"


class Conflict(VaultError):
    """What is asked contradicts what is stored."""

    status = 409


class DifferentBytes(Conflict):
    """Other bytes are stored under this name; they stay."""

    slug = "different-bytes"
    en = "Something else is already stored here and will not be changed."
    zh = "此处已存有其他内容，不会被更改。"


class AtomUsed(Conflict):
    """A (category, month) of the window is already in a window of this organisation."""

    slug = "atom-used"
    en = "This organisation already has a total that covers part of this period."
    zh = "该机构已有一个总量涵盖了这段时间的一部分。"


class NotClosed(Conflict):
    """A close of the window is still missing."""

    slug = "not-closed"
    en = "The figures for this period are not complete yet."
    zh = "这段时间的数据尚未齐全。"


class NotMinted(Conflict):
    """The holder has not made a token for the window."""

    slug = "not-minted"
    en = "The person must open their app once before this total can be given."
    zh = "此人需要先打开一次应用，才能提供这一总量。"


class Unlinked(VaultError):
    """The link has ended."""

    slug = "unlinked"
    status = 410
    en = "This link has ended."
    zh = "此关联已结束。"


class StateChanged(VaultError):
    """If-Match names another counter than the stored one."""

    slug = "state-changed"
    status = 412
    en = "Another device has saved something in the meantime."
    zh = "另一台设备在此期间保存了新内容。"


class TooSlow(VaultError):
    """A body that does not come in its time."""

    slug = "too-slow"
    status = 408
    en = "The message took too long to arrive. Send it again."
    zh = "消息到达太慢，请重新发送。"


class TooLarge(VaultError):
    """The body is over this route's limit."""

    slug = "too-large"
    status = 413
    en = "The message is too large."
    zh = "消息过大。"


class OutOfRules(VaultError):
    """Well-formed, but against a rule of the protocol."""

    status = 422


class NotOffered(OutOfRules):
    """A part of the protocol that this vault does not offer."""

    slug = "not-offered"
    en = "This is not offered here."
    zh = "此处不提供这项功能。"


class Gap(OutOfRules):
    """A sequence number was skipped."""

    slug = "gap"
    en = "A message that comes before this one is missing."
    zh = "缺少此前的一条消息。"


class TooEarly(OutOfRules):
    """The slot has not begun by the vault's clock."""

    slug = "too-early"
    en = "It is too early for this."
    zh = "现在还太早。"


class TooLate(OutOfRules):
    """The slot has ended by the vault's clock."""

    slug = "too-late"
    en = "It is too late for this."
    zh = "现在已经太晚。"


class Absent(OutOfRules):
    """The month is absent for this link; the vault's signed statement of it comes along."""

    def __init__(self, detail: str, statement: str = "") -> None:
        """Keep the `cv1-absent` text; empty where the month is absent without one."""
        super().__init__(detail)
        self.statement = statement

    slug = "absent"
    en = "This source has no figure for this month."
    zh = "该来源在这个月没有数据。"


class BeyondTemplate(OutOfRules):
    """A member goes beyond what the purpose template allows; the detail names it."""

    slug = "beyond-template"
    en = "This asks for more than the stated purpose allows."
    zh = "这超出了所述用途允许的范围。"


class TooMany(VaultError):
    """The caller's rate limit is reached."""

    slug = "too-many"
    status = 429

    def __init__(self, detail: str, wait: int = 60) -> None:
        """Keep the seconds to wait, the answer's Retry-After."""
        super().__init__(detail)
        self.wait = wait

    en = "Too many requests; please wait a little."
    zh = "请求过多，请稍后再试。"


class LogUnavailable(VaultError):
    """The transparency log cannot take or prove entries now."""

    slug = "log-unavailable"
    status = 503
    en = "The public record is not available at the moment."
    zh = "公开记录暂时不可用。"


class Local(VaultError):
    """Found by a party on its own machine; never an HTTP answer."""


class BadSeal(Local):
    """A sealed text does not open with this key and context."""

    slug = "bad-seal"
    en = "A sealed message does not open with this key."
    zh = "无法用这把密钥打开加密内容。"


class BadTotal(Local):
    """A released total does not fit what was signed; no number is returned."""

    slug = "bad-total"
    en = "The total does not fit what was signed and was not accepted."
    zh = "总量与签名内容不符，未予接受。"


class BadProof(Local):
    """A log proof, checkpoint or signature does not verify under the policy.

    `evidence` is the text of an evidence file that shows what was refused, where there is one.
    """

    slug = "bad-proof"
    en = (
        "The public record does not prove what is shown, so it is not used. Try again later; if it"
        " stays so, tell the vault's auditor."
    )
    zh = (
        "公开记录不能证明所出示的内容，因此不予采用。"
        "请稍后重试；如果仍然如此，请告知保管库的审计方。"
    )

    def __init__(self, detail: str = "", evidence: str = "") -> None:
        """Keep the evidence file's text."""
        super().__init__(detail)
        self.evidence = evidence


class NotWitnessed(BadProof):
    """A checkpoint, signed by its log, that too few witnesses cosigned."""

    slug = "not-witnessed"
    en = "Too few witnesses have confirmed the public record."
    zh = "公开记录的见证方数量不足。"


class StaleLog(BadProof):
    """A cosigned checkpoint that is older than this party takes, or lies in the future."""

    slug = "stale-log"
    en = "The public record shown is out of date."
    zh = "所出示的公开记录已过时。"


class OldSize(BadProof):
    """A witness saw this log with another size than the one its request stands on."""

    slug = "old-size"
    en = "The witness knows another state of the public record."
    zh = "见证方掌握的公开记录状态与此不同。"

    def __init__(self, detail: str, size: int = 0) -> None:
        """Keep the size, in entries, of the newest checkpoint that the witness cosigned."""
        super().__init__(detail)
        self.size = size


class Forked(BadProof):
    """One log signed two histories; `evidence` is the portable proof, where there is one."""

    slug = "forked"
    en = "The public record shows two histories. Keep this message: it is evidence."
    zh = "公开记录出现两种不同的历史。请保留这条消息作为证据。"


class BadDirectory(Local):
    """A directory that this party does not accept."""

    slug = "bad-directory"
    en = "The list of parties cannot be trusted."
    zh = "参与方名录不可信。"


class BadFile(Local):
    """An export file that cannot be read."""

    slug = "bad-file"
    en = "The file cannot be read."
    zh = "无法读取该文件。"


class BadMethodology(Local):
    """A methodology file or release that breaks its rules."""

    slug = "bad-methodology"
    en = "The quantification rules are not valid."
    zh = "量化规则无效。"


class OutOfBounds(Local):
    """An act beyond the bounds of its behaviour; it is not recorded. `reason` says which bound."""

    slug = "out-of-bounds"
    en = "No such act is plausible, so it was not recorded."
    zh = "该行为的数值超出合理范围，未予记录。"

    def __init__(self, detail: str, reason: str = "") -> None:
        """Keep the bound's reason code."""
        super().__init__(detail)
        self.reason = reason


class BadDatabase(Local):
    """The database does not open: wrong key, damaged, or of another version."""

    slug = "bad-database"
    en = "The vault's database does not open with this key."
    zh = "无法用这把密钥打开数据库。"


class BadCode(Local):
    """A recovery or link code that was mistyped."""

    slug = "bad-code"
    en = "The code is not right; please compare it with what you wrote down."
    zh = "代码不正确，请与您记下的核对。"


class Declined(Local):
    """The person said no to a request."""

    slug = "declined"
    en = "The person did not allow it. Do not ask again by yourself."
    zh = "对方没有同意。请不要自行再次询问。"


class BadPlace(Local):
    """A key file, folder or setting on this machine is missing or unsafe."""

    slug = "bad-place"
    en = "A file or setting on this machine is missing or unsafe."
    zh = "本机上的文件或设置缺失或不安全。"


class Unreachable(Local):
    """The vault did not answer; the same bytes can be sent again."""

    slug = "unreachable"
    en = "The vault cannot be reached right now."
    zh = "目前无法连接到保管库。"


class Unsigned(Local):
    """The vault shows a batch, close or receipt that was not signed by whom it must be."""

    slug = "unsigned"
    en = (
        "The vault shows records or a monthly figure without the signature that they must have, so"
        " they are not used. Tell the vault's auditor."
    )
    zh = "保管库出示的记录或月度结算没有应有的签名，因此不予采用。请告知保管库的审计方。"


class FalseAbsent(Local):
    """The vault logged an absent for a month whose close it had receipted: both texts are proof."""

    slug = "false-absent"
    en = "The vault denies figures that it had confirmed. Keep this message: it is evidence."
    zh = "保管库否认了它曾确认收到的数据。请保留这条消息作为证据。"

    def __init__(self, detail: str, evidence: tuple[str, ...] = ()) -> None:
        """Keep the texts that prove it: the absent (or the link's state) and the receipt."""
        super().__init__(detail)
        self.evidence = evidence


class Relink(Local):
    """The link cannot be closed again: its books and the vault differ; a new link is needed."""

    slug = "relink"
    en = "This link must be made anew; its records up to now are kept."
    zh = "需要重新建立关联；此前的记录会保留。"


def tree(root: type[VaultError] = VaultError) -> list[type[VaultError]]:
    """Return every class of the tree that has a slug, parents first."""
    own = [root] if "slug" in root.__dict__ and root.slug else []
    return own + [leaf for child in root.__subclasses__() for leaf in tree(child)]


def from_problem(slug: str, detail: str, statement: str = "") -> VaultError:
    """Return the error that a problem+json answer names; an unknown slug becomes Unreachable."""
    if slug == Absent.slug:
        return Absent(detail, statement)
    for kind in tree():
        if kind.slug == slug and kind.status is not None:
            return kind(detail)
    return Unreachable(f"the vault answered an unknown problem {slug[:40]!r}: {detail[:200]}")
