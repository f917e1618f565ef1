"""What `keshikomi certify` advises, one or two sentences for each fault."""

from __future__ import annotations

GENUINE = (
    "Verify the raw bytes of the body with this endpoint's secret;"
    " docs/signature-vectors.json shows where a verifier goes wrong."
)
REPEAT = "A repeat is no error: answer 2xx to a webhook-id that you have, and do nothing more."
TWICE = (
    "Let the database decide which of two is first: webhook-id as a primary key, and 2xx to both."
)
ORDER = (
    "Take webhooks in any order: keep each, and let the newest data.invoice.updated_at decide"
    " what is done about the invoice."
)
STOP = "Take invoice.reopened after invoice.paid: the store gave the money back, so stop the order."
LARGE = "Bodies reach some tens of KB: let your server and your proxy take 1 MB."
SLOW = "Wait for the whole body before you verify it: networks deliver it in pieces."
ROTATION = (
    "Take a webhook when any of its signatures, which spaces separate, is right under any secret"
    " that is still good."
)
VERSIONS = "Pass over signatures of versions that you do not know, and look at the others."
FORGED = "Answer 401 unless a signature is right: anybody could release orders at your shop."
STALE = (
    "Answer 401 when webhook-timestamp is more than five minutes from your clock: else whoever"
    " has recorded a webhook can send it for ever."
)
RAW = "Verify the bytes as they came, neither trimmed nor written anew from parsed JSON."
UNREADABLE = "Answer 401 to headers that are missing or cannot be read; never act on the body."
HARMLESS = "Verify first and remember webhook-id afterwards: a forgery must not use up an id."
NUMBERS = (
    "Take the numbers of `sequence` in any order and with gaps: one that was overtaken comes later,"
    " and one that was given up never; a gap is for finding out what is missing, no error."
)
PING = "Answer 2xx to a type that you do not know, and to a body without `sequence`; pass over it."
V1A_FORGED = (
    "Let no `v1a` signature count that you have not verified by ed25519: pass over it where you"
    " know `v1` alone, and answer 401 where nothing else is right."
)
V1A_BESIDE = (
    "Pass over a `v1a` signature that is not right, and look at the others: while you change"
    " from one kind to the other, each webhook carries both."
)
V1A_CONFUSED = (
    "Use a key for its own scheme alone: who knows your public key could sign by HMAC with it,"
    " so `whpk_` verifies `v1a` and nothing else, and `whsec_` verifies `v1` and nothing else."
)
RELEASED_AT = (
    "Answer `released_at` with a time and its offset as RFC 3339 writes them, in a JSON object of"
    " 16 KiB at most: this one acknowledges nothing, and you would be told again."
)
