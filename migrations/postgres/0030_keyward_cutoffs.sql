-- Up to which whole second a user's login and recovery tokens are dead.
CREATE TABLE keyward_cutoffs (
    user_id uuid CONSTRAINT keyward_cutoffs_pkey PRIMARY KEY,
    until timestamptz NOT NULL
);
