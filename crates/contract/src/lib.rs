//! The promises every store must keep, as tests.
//!
//! An adapter takes the whole suite with one line, `auth_contract::store_contract!(fresh)`, where
//! `fresh` is an `async fn` that gives an empty store and whatever must outlive it. There is a case for
//! every promise in a doc comment of [`auth_domain::ports`] and [`auth_domain::change`], one module per noun; [`races`] and
//! [`group_races`] hold those that only show when several writers meet. [`arbitrary`] makes up histories of commits, with
//! which two stores can be compared, and [`trees`] is a third party to compare their groups with; [`tampering`]
//! is what somebody may do to the audit trail who can write to the database.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "tests"
)]

pub mod accounts;
pub mod arbitrary;
pub mod audit;
pub mod backups;
pub mod commits;
pub mod cutoffs;
pub mod group_lists;
pub mod group_races;
pub mod groups;
pub mod guards;
pub mod invite_lists;
pub mod invites;
pub mod keys;
pub mod log;
pub mod mails;
pub mod member_lists;
pub mod memberships;
pub mod org_lists;
pub mod orgs;
pub mod platform_invites;
pub mod races;
pub mod replicas;
pub mod roles;
pub mod sample;
pub mod sessions;
pub mod signing_keys;
pub mod sinks;
pub mod standings;
pub mod tampering;
pub mod tickets;
pub mod trees;

use std::sync::Arc;
use std::time::Duration;

use auth_domain::ports::Store;

/// Every store behaves as this trait object does in the application.
pub type AnyStore = Arc<dyn Store>;

/// No case takes longer, unless something hangs.
const DEADLINE: Duration = Duration::from_mins(1);

/// Runs one case; what [`store_contract!`] expands to.
#[doc(hidden)]
pub async fn run(case: impl Future<Output = ()>) {
    tokio::time::timeout(DEADLINE, case).await.expect("the case must not hang");
}

/// Makes a test of every case, on a fresh store each.
#[macro_export]
macro_rules! store_contract {
    ($fresh:ident) => {
        $crate::store_contract! { @all $fresh
            accounts {
                an_account_reads_back_as_written
                an_address_is_found_however_it_is_typed
                a_taken_id_or_address_is_refused
                a_disabled_account_is_found_by_name_but_never_listed
                lists_hold_the_known_ones_once
                lists_filter_by_a_part_of_the_address
                lists_are_ordered_and_paged
                addresses_find_enabled_accounts_once
                what_is_attached_is_replaced
                a_status_is_set
                go40_the_last_root_is_not_disabled
                go63_accounts_are_listed_by_filter
            }
            audit {
                every_fact_has_its_record
                a_record_says_who_from_where_and_in_which_org
                roles_are_told_old_and_new
                a_failed_commit_leaves_no_record
                what_has_no_fact_has_no_record
                a_restore_leaves_its_records_or_none
                racing_commits_make_one_chain
                attempts_are_a_chain_of_their_own
                records_are_listed_newest_first_and_filtered
                a_trimmed_trail_is_still_proved
                an_end_that_was_tampered_with_is_noted
            }
            backups {
                what_is_brought_back_is_what_a_snapshot_shows
                what_is_there_already_stops_a_restore
                a_restore_that_is_dropped_leaves_nothing
                a_restore_is_one_revision_however_much_it_brings_back
                a_restore_needs_its_guards
                stored_rows_are_found_by_their_places
                removals_are_found_after_a_revision
                revoked_invites_are_found_after_a_revision
                what_happened_to_groups_is_found_after_a_revision
                a_trimmed_log_is_told_from_a_whole_one
                every_database_has_an_id_of_its_own
            }
            commits {
                a_store_answers
                a_failed_change_leaves_no_trace
                a_failed_guard_leaves_no_trace
                changes_apply_in_order
                an_empty_commit_takes_no_revision
            }
            group_lists {
                s46_everybody_sees_their_part_of_the_forest
                trees_are_listed_in_order_and_in_parts
                d_g5_members_are_listed_by_id_and_type
                the_groups_of_a_member_are_listed_to_whoever_may_see_them
            }
            group_races {
                s45_two_moves_never_make_a_cycle
                s45_a_forest_stays_a_forest_whoever_races
                one_of_many_siblings_gets_the_name
                nothing_enters_a_group_that_goes
                s40_nothing_is_written_with_a_group_role_after_it_is_lost
                s41_nobody_keeps_a_group_of_an_org_they_have_left
                a_check_sees_a_tree_before_or_after_a_move
            }
            groups {
                a_group_reads_back_as_written
                d_g2_a_name_is_taken_once_among_siblings
                a_parent_is_a_group_of_the_same_org_or_user
                an_update_replaces_what_may_change
                a_subtree_is_moved
                a_group_is_not_moved_below_itself
                d_g11_no_tree_gets_deeper_than_allowed
                only_an_empty_group_is_removed_by_itself
                more_groups_than_go_at_a_time_stay
                removing_an_org_takes_its_groups
                members_are_assigned_once_and_unassigned
                users_in_the_groups_of_an_org_belong_to_it
                s41_whoever_leaves_an_org_leaves_its_groups
                a_role_in_a_group_is_given_replaced_and_taken
                a_standing_is_all_that_decides
                the_guard_decides_by_the_policy
                a_guard_notices_that_a_group_was_moved
            }
            guards {
                in_org_decides_by_the_policy
                s52_may_invite_decides_by_the_policy
                is_member_asks_for_a_membership
                on_platform_decides_by_the_policy
                is_no_root_refuses_roots_only
                a_revoked_key_is_refused
                a_key_of_somebody_else_is_refused
                every_guard_must_hold
                guards_see_nothing_of_their_own_commit
            }
            invite_lists {
                d09_everybodys_invites_are_listed_and_no_dormant_ones
                d28_lists_filter_by_the_state_of_the_moment
                d41_lists_are_ordered_and_ties_broken_by_id
                invites_are_paged
            }
            invites {
                an_invite_reads_back_as_written
                d25_somebody_has_one_pending_invite_to_an_org
                nobody_is_invited_in_vain
                d26_go20_s56_an_invite_nobody_can_accept_blocks_no_other
                s51_an_invite_ends_once
                s36_an_invite_is_settled_in_its_own_org_only
                s52_an_invite_whose_time_is_over_ends_no_other_way
                s41_go16_a_member_who_goes_takes_the_invites_they_sent_along
                removing_an_org_takes_its_invites
                a_dormant_invite_is_given_to_somebody_once
                d27_only_a_pending_invite_is_activated
                nothing_is_activated_beside_what_is_there
                d10_waiting_invites_are_found_with_what_stands_beside_them
            }
            keys {
                a_key_reads_back_as_written
                a_taken_id_is_refused_whoever_asks
                only_its_issuer_finds_a_key
                a_key_is_removed_once_and_by_its_issuer
                purging_takes_the_expired_and_nothing_else
                r29_only_what_is_over_by_the_stores_clock_is_purged
                lists_are_ordered_and_paged
            }
            log {
                it_starts_empty
                every_change_is_recorded_as_its_fact
                a_commit_is_one_revision_and_its_facts_are_counted
                purging_keys_takes_no_revision
                records_start_after_a_revision_and_end_at_the_limit
            }
            mails {
                a_mail_reads_back_as_written
                a_taken_id_is_refused
                those_due_longest_are_given_first
                a_mail_has_one_holder_until_the_hold_ends
                a_mail_that_was_put_off_comes_again
                a_dead_mail_is_listed_and_not_given
                a_retried_mail_is_due_at_once
                purging_takes_the_long_dead
                the_queue_is_counted
                lists_are_paged
                a_time_from_before_the_clock_was_set_back_is_void
                only_an_invite_that_can_be_accepted_is_told
                claimers_who_race_share_the_queue
            }
            member_lists {
                memberships_are_listed_by_id
                a_role_narrows_the_list
                a_total_is_what_there_is_after_any_history
                everybody_comes_after_somebody_or_nobody
                members_are_searched_and_ordered_by_address
                nobody_is_left_out_for_want_of_an_account
                members_are_paged
            }
            memberships {
                a_membership_reads_back_as_written
                a_member_is_given_another_role
                a_member_is_removed_once
                an_owner_is_neither_changed_nor_removed
                an_org_is_given_to_a_member
                an_org_is_given_only_by_its_owner_to_a_member
                a_member_has_the_role_they_were_given
                a_member_cannot_be_added_again
                nobody_joins_an_org_that_does_not_exist
            }
            orgs {
                an_org_reads_back_as_written
                a_taken_id_is_refused
                an_update_replaces_what_may_change
                an_update_needs_the_org
                removing_an_org_takes_its_memberships
                an_org_is_removed_once
            }
            org_lists {
                everybody_sees_all_or_only_their_own
                names_match_in_any_case
                wildcards_in_names_mean_themselves
                names_are_searched_beyond_ascii
                metadata_filters_by_containment
                filters_combine
                lists_are_ordered_and_ties_broken_by_id
                pages_are_parts_of_the_list
                the_largest_page_is_served
            }
            races {
                revisions_are_given_in_commit_order_without_gaps
                the_last_root_stays_whoever_races
                a_caller_who_hangs_up_leaves_all_or_nothing
                one_of_many_inserts_wins
                one_of_two_removals_wins
                nothing_is_written_with_a_key_after_it_is_revoked
                nothing_is_written_with_a_role_after_it_is_taken
                nothing_is_written_of_somebody_who_is_a_root_by_now
                go40_nothing_is_written_for_an_account_after_it_is_disabled
                nothing_is_written_for_an_org_after_it_is_removed
                nobody_joins_an_org_after_it_is_removed
                an_org_has_one_owner_whoever_races
                d25_r26_an_invite_ends_once_whoever_races
                d81_one_of_two_invites_wins
                writers_on_one_org_do_not_stop_each_other
                totals_are_right_whoever_races
            }
            cutoffs {
                sessions_are_ended_up_to_the_latest_second
                a_session_that_was_ended_writes_nothing
                go40_nothing_of_a_disabled_account_is_good
            }
            sessions {
                a_session_reads_back_as_written
                go40_gw15_nobody_begins_a_session_who_has_not_proved_the_password_of_now
                gw12_a_refresh_token_is_used_once
                gw12_of_several_at_once_one_uses_a_refresh_token
                a_session_is_ended_once_and_by_its_user
                fw13_all_sessions_of_a_user_are_ended_at_once
                go40_no_session_of_a_disabled_account_lives
                sessions_are_listed_by_when_they_were_used
                purging_takes_the_sessions_that_are_over
                r29_only_sessions_that_are_over_by_the_stores_clock_are_purged
                a_session_that_is_not_there_writes_nothing
                nothing_is_written_with_a_session_after_it_is_ended
                fw13_no_refresh_survives_the_end_of_all_sessions
            }
            signing_keys {
                a_signing_key_is_withdrawn_for_good
                nothing_is_written_under_a_signing_key_that_was_withdrawn
                api_keys_of_a_span_are_counted_while_they_live
            }
            replicas {
                a_replica_enters_with_everything_applied
                a_renewal_notes_what_is_applied_and_gives_the_newest_revision
                laggards_are_the_others_that_are_behind
                a_replica_that_renewed_stays
                records_a_living_replica_has_not_applied_stay
            }
            roles {
                nobody_has_a_role_at_first
                a_role_is_given_replaced_and_taken
                no_role_cannot_be_taken
                the_last_root_cannot_go
                roots_come_before_the_rule
                holders_are_listed_by_id
            }
            sinks {
                a_new_sink_has_everything_to_pass_on
                a_sink_passes_on_what_follows_its_place
                records_follow_a_place_within_a_commit
                only_one_holder_has_a_sink
                a_hold_ends_by_itself_or_when_it_is_given_back
                a_hold_from_before_the_clock_was_set_back_is_void
                whoever_lost_a_sink_notes_nothing
                sinks_do_not_know_of_each_other
                one_of_many_takers_gets_it
                without_a_sink_old_records_go
                records_a_sink_has_not_passed_on_stay
                a_sink_nobody_uses_any_more_keeps_nothing
            }
            standings {
                many_standings_are_what_each_is_alone
                no_standings_are_none_and_two_hundred_are_two_hundred
                many_standings_are_from_one_snapshot
                joint_standings_are_what_each_is_alone
                joint_standings_are_from_one_snapshot
                evidence_is_the_rows_behind_a_standing
            }
            platform_invites {
                a_platform_invite_reads_back_as_written
                fw29_there_is_one_pending_platform_invite_to_an_address
                go44_a_platform_invite_ends_once
                go46_what_waits_for_a_platform_invite_ends_with_it
                go60_platform_invites_are_listed_by_state_and_address
            }
            tickets {
                a_ticket_is_found_as_it_was_stored
                fw8_tickets_are_beside_each_other_up_to_a_number
                fw8_tickets_that_come_at_once_are_beside_each_other
                fw8_fpw10_a_ticket_that_is_over_is_good_for_nothing
                fw8_a_ticket_has_five_tries
                go47_a_ticket_is_used_up_by_what_it_allows_or_not_at_all
                go47_of_several_at_once_one_uses_a_ticket
                a_password_is_set_of_an_account_that_is_enabled
                a_hash_is_renewed_of_whoever_still_has_the_old_one
            }
        }
    };
    (@all $fresh:ident $($module:ident { $($case:ident)* })*) => {
        $(mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (store, _outlives_it) = super::$fresh().await;
                    $crate::run($crate::$module::$case(std::sync::Arc::new(store))).await;
                }
            )*
        })*
    };
}

#[cfg(test)]
mod tests {
    /// A case that is not in the list above would be written and never run.
    #[test]
    fn every_case_is_in_the_list() {
        let list = include_str!("lib.rs");
        for (module, source) in [
            ("accounts", include_str!("accounts.rs")),
            ("backups", include_str!("backups.rs")),
            ("commits", include_str!("commits.rs")),
            ("cutoffs", include_str!("cutoffs.rs")),
            ("signing_keys", include_str!("signing_keys.rs")),
            ("group_lists", include_str!("group_lists.rs")),
            ("group_races", include_str!("group_races.rs")),
            ("groups", include_str!("groups.rs")),
            ("guards", include_str!("guards.rs")),
            ("invite_lists", include_str!("invite_lists.rs")),
            ("invites", include_str!("invites.rs")),
            ("keys", include_str!("keys.rs")),
            ("log", include_str!("log.rs")),
            ("mails", include_str!("mails.rs")),
            ("member_lists", include_str!("member_lists.rs")),
            ("memberships", include_str!("memberships.rs")),
            ("org_lists", include_str!("org_lists.rs")),
            ("orgs", include_str!("orgs.rs")),
            ("races", include_str!("races.rs")),
            ("replicas", include_str!("replicas.rs")),
            ("roles", include_str!("roles.rs")),
            ("sinks", include_str!("sinks.rs")),
            ("standings", include_str!("standings.rs")),
            ("platform_invites", include_str!("platform_invites.rs")),
            ("tickets", include_str!("tickets.rs")),
        ] {
            let start = list.find(&format!("            {module} {{\n")).unwrap();
            let listed = list[start..].split('}').next().unwrap();
            let cases = source.split("pub async fn ").skip(1);
            for case in cases.map(|rest| rest.split('(').next().unwrap()) {
                assert!(listed.lines().any(|line| line.trim() == case), "{module}::{case}");
            }
        }
    }
}
