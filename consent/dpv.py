"""A grant and its history as a consent record, under names of DPV's profile of ISO/IEC TS 27560.

    {"@context":{"dpv":"https://w3id.org/dpv#",…},"@type":["dpv:ConsentRecord"],
     "dpv:hasIdentifier":"urn:uuid:61616161-…","dpv:hasProcess":[{"dpv:hasPurpose":[…],…}],…}

JSON-LD for whoever reads such records. Only the names are theirs: whether a record meets the
technical specification is for its reader to judge, and no conformity is said here. What has no
name there stands under ``cv:``. docs/consent-record.md maps every member, and says what has no
counterpart.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from consent.messages import Grant
from consent.notices import CATEGORY_WORDS, notice_hash
from consent.receipts import Event, State
from consent.templates import template_of
from vault.directory import Directory
from vault.encoding import Json, thumbprint
from vault.errors import BadShape
from vault.messages import Party
from vault.months import join_window

# Not dpv-27560:record-…: that name would say that the whole profile is met.
SCHEMA = "cv:consent-record-1"
CONTEXT: dict[str, Json] = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "loc": "https://w3id.org/dpv/loc#",
    "dct": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "cv": "urn:carbonvault:terms:",
}
# Zones whose country is known; others say nothing of where the law is.
_PLACES = {"Asia/Shanghai": "loc:CN"}
# DPV has no name for a pause, for going on after it, or for a grant that another one replaced.
_STATUS: dict[State, list[Json]] = {
    "given": ["dpv:ConsentGiven"],
    "paused": ["cv:ConsentPaused"],
    "resumed": ["dpv:ConsentGiven", "cv:ConsentResumed"],
    "replaced": ["dpv:ConsentWithdrawn", "cv:ConsentReplaced"],
    "withdrawn": ["dpv:ConsentWithdrawn"],
    "expired": ["dpv:ConsentExpired"],
}


def export_record(
    grant: Grant, directory: Directory, events: Sequence[Event], notice: str | None
) -> dict[str, Json]:
    """Return a consent record as JSON-LD.

    Args:
        grant: the consent.
        directory: names the platform, its contact and the vault.
        events: what became of the grant, from consent/receipts.history.
        notice: the text that the person read; None when it cannot be rendered any more.

    Raises:
        BadShape: the notice is another one, or nothing happened yet.
        NotFound: the directory does not list the platform.
    """
    if notice is not None and notice_hash(notice) != grant.notice.sha256:
        raise BadShape("notice: not the text whose hash was signed")
    if not events:
        raise BadShape("a record begins with the consent that was given")
    recipient, vault = directory.party(grant.platform), directory.party(directory.listing.vault)
    record: dict[str, Json] = {
        "@context": CONTEXT,
        "@type": ["dpv:ConsentRecord"],
        "@id": _urn(grant.grant),
        "dct:conformsTo": SCHEMA,
        "dpv:hasIdentifier": _urn(grant.grant),
        "dct:created": _time(events[0].at),
        "dct:modified": _time(events[-1].at),
        "dct:creator": vault.id,
        "dct:language": grant.notice.locale,
        # A pseudonym: one key per person and organisation, the same for nobody else.
        "dpv:hasDataSubject": {
            "@type": ["dpv:DataSubject"],
            "dpv:hasIdentifier": thumbprint(grant.pk),
        },
        "dpv:hasEntity": {recipient.id: _entity(recipient), vault.id: _entity(vault)},
        "dpv:hasProcess": [_process(grant, directory, events, vault.id)],
        "dpv:hasNotice": _notice(grant, notice),
    }
    if grant.replaces is not None:
        record["dpv:isAfter"] = _urn(grant.replaces)
    return record


def _process(
    grant: Grant, directory: Directory, events: Sequence[Event], vault: str
) -> dict[str, Json]:
    process: dict[str, Json] = {
        "@type": ["dpv:Process"],
        "dpv:hasPurpose": [_purpose(grant, name) for name in grant.purposes],
        "dpv:hasPersonalData": [_data(grant)],
        "dpv:hasProcessing": ["dpv:Share", "dpv:Use", "dpv:Store"],
        "dpv:hasDataController": [grant.platform],
        "dpv:hasDataProcessor": [vault],
        "dpv:hasRecipient": [grant.platform],
        "dpv:hasDataSource": ["dpv:ThirdPartyDataSource"],
        "dpv:hasStorageCondition": [_duration("dpv:StorageDuration", f"P{grant.data_life_days}D")],
        "dpv:hasProcessingCondition": [
            {
                "@type": ["dpv:ProcessingDuration"],
                "dpv:hasDuration": {
                    "@type": "dpv:UntilTimeDuration",
                    "rdf:value": _time(grant.until),
                },
            }
        ],
        "dpv:hasLegalBasis": ["dpv:ExpressedConsent"],
        "dpv:hasConsentControl": [_withdrawal()],
        "dpv:hasConsentStatus": [_status(event, thumbprint(grant.pk)) for event in events],
        "cv:template": grant.template,
        "cv:mode": grant.mode,
        "cv:showSources": grant.show_sources,
        "cv:exclusive": grant.exclusive,
    }
    if place := _PLACES.get(directory.listing.zone):
        process["dpv:hasJurisdiction"] = [place]
    if grant.request is not None:
        process["cv:request"] = grant.request.hex()
    return process


def _purpose(grant: Grant, name: str) -> dict[str, Json]:
    text = template_of(grant.template).text[grant.notice.locale]
    return {
        "@type": ["dpv:Purpose"],
        "skos:broader": f"dpv:{name}",
        "skos:prefLabel": text.purpose,
        "skos:definition": text.benefit,
    }


def _data(grant: Grant) -> dict[str, Json]:
    words = CATEGORY_WORDS[grant.notice.locale]
    what = {"en": "total of avoided emissions in grams", "zh-CN": "以克为单位的减排总量"}
    return {
        "@type": ["dpv:PersonalData"],
        "skos:broader": ["pd:Behavioral"],
        "skos:prefLabel": what[grant.notice.locale],
        "cv:categories": [words[category] for category in grant.scope],
        "cv:windows": [join_window(window) for window in grant.windows],
    }


def _entity(party: Party) -> dict[str, Json]:
    found: dict[str, Json] = {
        "@type": ["dpv:LegalEntity"],
        "dpv:hasName": party.name,
        "dpv:hasIdentifier": party.id,
    }
    if party.contact is not None:
        found["dpv:hasContact"] = party.contact
    return found


def _duration(kind: str, value: str) -> dict[str, Json]:
    return {
        "@type": [kind],
        "dpv:hasDuration": {"@type": "dpv:TemporalDuration", "rdf:value": value},
    }


def _withdrawal() -> dict[str, Json]:
    return {
        "@type": ["dpv:WithdrawConsent"],
        "dpv:isExercisedAt": "the person's app: the consent, then stop sharing",
    }


def _notice(grant: Grant, text: str | None) -> dict[str, Json]:
    found: dict[str, Json] = {
        "@type": ["dpv:ConsentNotice"],
        "dct:language": grant.notice.locale,
        "cv:sha256": grant.notice.sha256.hex(),
    }
    if text is not None:
        found["rdf:value"] = text
    return found


def _status(event: Event, person: str) -> dict[str, Json]:
    found: dict[str, Json] = {
        "@type": _STATUS[event.state],
        "dpv:isIndicatedAtTime": _time(event.at),
        "dpv:isExercisedAt": "the person's app" if event.index is not None else "by its date",
    }
    if event.index is not None:
        found["dpv:isIndicatedBy"] = person
        found["cv:logIndex"] = event.index
    if event.by is not None:
        found["dpv:isBefore"] = _urn(event.by)
    return found


def _urn(grant_id: bytes) -> str:
    return UUID(bytes=grant_id).urn


def _time(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
