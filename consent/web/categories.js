// The categories' words by number, as consent/notices.py and every screen say them.

/** @type {Record<"zh-CN" | "en", string[]>} */
export const CATEGORY_WORDS = {
  en: ["", "clothing", "food", "housing", "travel", "goods", "office", "digital finance"],
  "zh-CN": ["", "衣着", "饮食", "居住", "出行", "用品", "办公", "数字金融"],
};
