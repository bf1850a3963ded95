-- Events of one stream wait for each other only on their way to the same URL.
DROP INDEX events_pending;
CREATE INDEX events_pending ON events (stream, url, seq) WHERE state = 'pending';

-- Whichever account's line is the oldest goes first.
CREATE INDEX logs_oldest ON logs (created);
