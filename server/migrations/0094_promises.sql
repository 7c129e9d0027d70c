-- How many callbacks numbers were promised since midnight is asked at each start.
CREATE INDEX items_called_back ON items (queued_us) WHERE callback IS NOT NULL;
