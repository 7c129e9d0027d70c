-- RFC 8760: what SHA-512-256 gives; empty for passwords that were set before it was kept.
ALTER TABLE people ADD COLUMN ha1_sha512_256 TEXT;
