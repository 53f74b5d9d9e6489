-- When somebody proved that they read the mail to the address, or an admin vouched for it, in microseconds since 1970. Of
-- accounts from before nobody knows.
ALTER TABLE keyward_accounts ADD COLUMN email_verified_at INTEGER;
