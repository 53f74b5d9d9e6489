-- Several tickets for the same purpose and target are good at a time, each in a slot: whoever asks in a stranger's name
-- takes nothing from the link that its owner has.
ALTER TABLE keyward_tickets ADD COLUMN slot smallint NOT NULL DEFAULT 0;

-- What it allows beyond its purpose and target, as JSON: the account that it opens.
ALTER TABLE keyward_tickets ADD COLUMN payload text COLLATE "C";

ALTER TABLE keyward_tickets DROP CONSTRAINT keyward_tickets_purpose_target_key;

ALTER TABLE keyward_tickets ADD CONSTRAINT keyward_tickets_purpose_target_slot_key UNIQUE (purpose, target, slot);
