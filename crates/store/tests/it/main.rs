//! One suite for both databases: every function of `conformance` is run against each.

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod support;

#[cfg(test)]
use support::Database;

macro_rules! on_both {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        #[cfg(test)]
        mod sqlite { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { crate::conformance::$module::$name(crate::Database::sqlite()).await; })+ }
        #[cfg(test)]
        mod postgres { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(database) = crate::Database::postgres().await {
                    crate::conformance::$module::$name(database).await;
                }
            })+ }
    };
}

on_both!(
    keys::a_key_is_found_as_it_was_made,
    keys::a_label_names_one_live_key,
    keys::two_secrets_count_while_a_rotation_lasts,
    keys::changes_are_seen_by_another_store,
    keys::use_is_written_once_a_minute,
    limits::parallel_turns_pass_exactly_the_limit,
    limits::two_gateways_share_a_limit,
    limits::a_refusal_charges_nobody,
    limits::a_lease_that_expires_counts_no_more,
    limits::a_reservation_counts_until_it_is_settled,
    limits::a_turn_is_settled_once,
    limits::a_shadow_only_records,
    limits::a_turn_that_goes_on_reserves_more,
    limits::usage_is_reported_by_group,
    schema::eight_start_at_once,
    schema::a_newer_schema_is_refused,
    schema::an_older_schema_is_brought_up_to_date,
);
