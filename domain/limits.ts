/** Every limit of the platform in one place; the unit is the last word of the name. */

/** The largest amount Stripe takes for one payment: eight digits of minor units. */
export const MAX_AMOUNT_MINOR = 99_999_999;
export const MAX_SPLIT_PARTS = 10_000;

export const MAX_BODY_BYTES = 16_384;
export const MAX_WEBHOOK_BYTES = 262_144;
export const MAX_JSON_DEPTH = 64;

export const IDEMPOTENCY_KEY_MIN_LENGTH = 16;
export const IDEMPOTENCY_KEY_MAX_LENGTH = 255;

export const MAX_NAME_LENGTH = 100;
/** RFC 5321, section 4.5.3.1.3, less the angle brackets. */
export const MAX_EMAIL_LENGTH = 254;
/** In code points, as are all lengths of passwords. No rule on what they are made of: NIST SP 800-63B-4, section 3.1.1.2. */
export const MIN_PASSWORD_LENGTH = 10;
export const MAX_PASSWORD_LENGTH = 256;
export const MAX_MESSAGE_LENGTH = 500;
export const MAX_TITLE_LENGTH = 140;
export const MAX_DESCRIPTION_LENGTH = 5_000;
export const MAX_STORY_LENGTH = 20_000;
/** A story and a description of the longest, each character written as JSON's `\uXXXX`. */
export const MAX_CAMPAIGN_BODY_BYTES = 262_144;
export const MIN_SLUG_LENGTH = 3;
export const MAX_SLUG_LENGTH = 80;
export const MAX_URL_LENGTH = 2_048;
/** How far ahead a deadline may lie: five years. */
export const MAX_DEADLINE_DAYS = 1_826;
export const MAX_SEARCH_LENGTH = 100;
/** How many overdue campaigns are closed in one transaction. */
export const MAX_CLOSED_AT_ONCE = 100;
export const MAX_PAYMENT_METHOD_LENGTH = 255;

/** Two donations of one donor, campaign and amount this close together may be one click too many. */
export const POSSIBLE_DUPLICATE_SECONDS = 60;

export const MAX_PAGE_SIZE = 100;
export const DEFAULT_PAGE_SIZE = 20;

/** Both ways: a webhook signed too long ago and one signed in the future are refused. */
export const WEBHOOK_TOLERANCE_SECONDS = 300;
/** RFC 7240 `Prefer: wait`; a longer wish is cut to this. */
export const PREFER_WAIT_MAX_SECONDS = 10;
