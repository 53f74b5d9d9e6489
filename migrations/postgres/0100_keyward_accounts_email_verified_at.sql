-- When somebody proved that they read the mail to the address, or an admin vouched for it. Of accounts from before nobody
-- knows.
ALTER TABLE keyward_accounts ADD COLUMN IF NOT EXISTS email_verified_at timestamptz;
