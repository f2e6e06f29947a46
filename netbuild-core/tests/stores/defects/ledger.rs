//! Which case of the ledger's suite finds which defect.

use netbuild_core::testkit::conformance::ledger;

use super::every_case_finds_its_defects;
use super::ledger_faults::Fault::{self, *};
use super::ledger_faults::FaultyLedger;

const DEFECTS: &[(&str, &[Fault])] = &[
    ("a_held_lease_is_not_given_to_another", &[LeadsWithEverybody]),
    ("renewing_keeps_the_epoch", &[RenewalStartsAnew]),
    ("renewing_makes_the_lease_longer", &[RenewalKeepsTheEnd]),
    ("a_lease_that_is_over_passes_on_with_a_higher_epoch", &[EpochStands]),
    ("a_holder_that_comes_back_gets_a_higher_epoch", &[EpochIsTheHolders]),
    ("a_resigned_lease_is_free_at_once", &[IgnoresResign, EpochStands]),
    ("a_resigned_lease_starts_anew_for_its_holder", &[EpochIsTheHolders]),
    ("resigning_an_epoch_that_does_not_lead_is_ignored", &[AnybodyResigns]),
    ("ranks_follow_the_batch", &[AdmitsBackwards]),
    ("an_admitted_build_reads_back_whole", &[DropsSecrets]),
    ("a_known_build_is_a_duplicate", &[AdmitsAgain]),
    ("a_build_id_of_another_tenant_is_a_duplicate", &[AdmitsAgainForOthers]),
    ("a_late_message_is_admitted", &[RefusesLateMessages]),
    ("cursors_follow_each_publishers_newest_epoch", &[CursorIsTheLast, CursorIgnoresEpochs]),
    ("a_duplicate_moves_the_cursor", &[CursorSkipsDuplicates]),
    ("admitting_is_fenced", &[AdmitsUnfenced]),
    ("an_empty_batch_admits_nothing", &[RefusesEmptyBatches]),
    ("changes_are_applied_in_order", &[DropsTheLastChange]),
    ("a_batch_can_change_many_builds", &[DropsTheLastChange]),
    ("a_repeated_batch_is_written_once", &[NumbersBatchesItself]),
    ("a_batch_that_is_not_the_next_is_refused", &[NumbersBatchesItself, TakesBatchZeroForRepeated]),
    ("a_new_epoch_counts_its_batches_from_one", &[NumbersGoOnAcrossEpochs]),
    ("an_illegal_change_refuses_the_whole_batch", &[AppendsOneByOne, SwallowsIllegalChanges]),
    ("a_refused_batch_does_not_take_its_number", &[RefusedBatchTakesItsNumber]),
    ("nothing_changes_a_build_that_ended", &[SwallowsIllegalChanges, CancelsWhatEnded]),
    ("a_stale_attempt_is_refused", &[IgnoresAttemptNumbers]),
    ("only_an_activation_makes_a_build_deployed", &[AppendsDeployed]),
    ("a_change_of_an_unknown_build_is_refused", &[SkipsUnknownBuilds, AppendsOneByOne]),
    ("a_change_with_another_tenants_key_is_refused", &[FindsByIdAlone]),
    ("appending_is_fenced", &[AppendsUnfenced]),
    ("an_old_batch_repeated_after_a_takeover_is_fenced", &[LooksForRepeatsBeforeTheFence]),
    ("activating_makes_the_deploy_visible_and_ends_the_build", &[ActivatesNothing]),
    ("a_newer_build_replaces_an_older_one", &[FirstDeployStays]),
    ("an_older_build_never_replaces_a_newer_one", &[OlderReplacesNewer]),
    ("a_repeated_activation_answers_the_same", &[ActivatesOnceOnly, ForgetsWhatSuperseded]),
    ("concurrent_activations_leave_the_newest_visible", &[OlderReplacesNewer]),
    ("contexts_are_independent", &[MixesContexts]),
    ("projects_are_independent", &[MixesProjects]),
    ("equal_projects_of_two_accounts_are_independent", &[MixesAccounts]),
    ("only_a_waiting_deploy_is_activated", &[SwallowsIllegalActivations]),
    ("only_the_last_attempt_is_activated", &[IgnoresAttemptNumbers]),
    ("activating_with_another_tenants_key_is_refused", &[FindsByIdAlone]),
    ("activating_is_fenced", &[ActivatesUnfenced]),
    ("reactivating_makes_an_earlier_deploy_visible", &[IgnoresReactivate]),
    ("reactivating_makes_a_superseded_deploy_visible", &[ReactivatesNoSuperseded]),
    ("after_reactivating_newer_builds_become_visible_and_older_ones_do_not", &[ReactivateLowersTheMark]),
    ("only_a_deploy_is_reactivated", &[SwallowsNoDeploy]),
    ("open_builds_come_by_rank_and_in_pages", &[IgnoresAfter, IgnoresMax, OrdersById]),
    ("open_builds_are_those_that_did_not_end", &[OpenHoldsWhatEnded, PagesBeforeItFilters]),
    ("a_key_of_another_tenant_finds_nothing", &[FindsByIdAlone]),
    ("builds_are_narrowed_by_account", &[IgnoresAccount]),
    ("builds_are_narrowed_by_executor", &[IgnoresExecutor]),
    ("builds_are_narrowed_by_time", &[IgnoresSince, IgnoresUntil]),
    ("builds_come_by_rank_and_in_pages", &[IgnoresAfter, IgnoresMax, OrdersById]),
    ("deploys_come_newest_rank_first", &[GivesOldestDeployFirst]),
    ("deploys_are_dated_when_they_last_became_visible", &[DatesDeploysByAdmission]),
    ("the_name_key_is_stable", &[MakesAKeyEachTime]),
    ("reopening_keeps_builds_and_cursors", &[ForgetsOnReopen]),
    ("reopening_keeps_what_was_activated", &[ForgetsTheMarkOnReopen]),
    ("reopening_keeps_epoch_and_batch_number", &[ForgetsOnReopen, ForgetsBatchNumberOnReopen]),
    ("reopening_keeps_the_name_key", &[ForgetsOnReopen]),
];

#[tokio::test(start_paused = true)]
async fn every_ledger_case_finds_its_defects() {
    every_case_finds_its_defects::<FaultyLedger>(ledger::cases(), DEFECTS).await;
}
