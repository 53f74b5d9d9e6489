-- Who answers from memory, and how far they have read the change log. Rows are compared with themselves only;
-- seen_at is for whoever looks, and for keeping what a living replica has still to read.
CREATE TABLE keyward_replicas (
    id uuid CONSTRAINT keyward_replicas_pkey PRIMARY KEY,
    applied bigint NOT NULL,
    renewals bigint NOT NULL,
    lease_micros bigint NOT NULL,
    seen_at timestamptz NOT NULL
);
