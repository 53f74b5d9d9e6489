-- How far the change log was passed on, sink by sink, and who may pass it on now. Whoever holds a sink
-- holds it until a moment on this server's clock.
CREATE TABLE keyward_sinks (
    name text COLLATE "C" CONSTRAINT keyward_sinks_pkey PRIMARY KEY,
    revision bigint NOT NULL,
    ordinal integer NOT NULL,
    holder uuid NOT NULL,
    held_until timestamptz NOT NULL
);
