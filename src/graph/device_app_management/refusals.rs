//! Whether a service refused a read because of its query options, and which ones.

use futures_util::future;
use http::StatusCode;
use tracing::warn;

use super::collection::Collection;
use crate::graph::error::{ApiError, Error};
use crate::graph::models::Entity;
use crate::graph::odata::{Comparison, Filter, ListOptions, Literal, OptionSet, Select};
use crate::graph::page::Page;
use crate::graph::refused_options::{RequestForm, single};
use crate::telemetry::route::Route;

/// A key that no entity has.
const NO_KEY: &str = "00000000-0000-0000-0000-000000000000";

impl ApiError {
    /// Whether the status may mean that a query option is not supported: 400, 500 or 501, but not the 400 of a missing
    /// route.
    fn may_refuse_options(&self) -> bool {
        match self.status {
            StatusCode::BAD_REQUEST => !self.is_not_supported(),
            status => matches!(status, StatusCode::INTERNAL_SERVER_ERROR | StatusCode::NOT_IMPLEMENTED),
        }
    }
}

impl Error {
    /// Whether Graph may have refused the query options of a read.
    #[must_use]
    pub fn may_refuse_options(&self) -> bool {
        matches!(self, Self::Api(api) if api.may_refuse_options())
    }
}

impl<T: Entity> Collection<T> {
    /// The options that the service has refused lately for this caller's tenant. A read leaves them
    /// out.
    #[must_use]
    pub fn refused_options(&self, options: &ListOptions) -> OptionSet {
        let (client, caller) = self.session.client_and_caller();
        client.refused_options.get(&caller.authorization, Route::of(&self.path), options)
    }

    /// The options because of which a read failed with `error`, which are then remembered; none if
    /// it failed for another reason, such as an outage or a value of the caller's.
    ///
    /// Decided by one batch of small reads: without options, with each option alone and harmless
    /// values, and with all of them. An option is refused only if its own read is refused and the
    /// read without options succeeds. The batch takes one retry of the retry budget. Concurrent calls of a tenant for lists
    /// of one kind share it; the result is then what has been found so far.
    pub async fn find_refused_options(&self, options: &ListOptions, error: &Error) -> OptionSet {
        let used = options.used();
        if used.is_empty() || !error.may_refuse_options() {
            return OptionSet::NONE;
        }
        let (client, caller) = self.session.client_and_caller();
        let form = client.refused_options.form(options);
        let turn = client.refused_options.turn(caller, Route::of(&self.path), form).await;
        let Some(turn) = turn else { return OptionSet::NONE };
        let known = self.refused_options(options);
        if !known.is_empty() {
            return known;
        }
        let _turn = turn.begin();
        if !self.session.take_retry() {
            return OptionSet::NONE;
        }
        self.probe(options).await
    }

    async fn probe(&self, options: &ListOptions) -> OptionSet {
        let used = options.used();
        let neutral = ListOptions { top: Some(1), ..options.neutral() };
        let singles: Vec<(OptionSet, ListOptions)> = single(&neutral).collect();
        let plain = ListOptions { top: Some(1), ..ListOptions::default() };
        let by_key = Filter::Compare("id", Comparison::Eq, Literal::String(NO_KEY.to_owned()));
        let by_key = ListOptions { filter: Some(by_key), ..plain.clone() };

        let (plain, of_singles, all, any_filter) = future::join4(
            self.is_refused(&plain),
            future::join_all(singles.iter().map(|(_, single)| self.is_refused(single))),
            async { used.len() > 1 && self.is_refused(&neutral).await == Some(true) },
            async { used.filter && self.is_refused(&by_key).await == Some(true) },
        )
        .await;
        if plain != Some(false) {
            return OptionSet::NONE;
        }

        let (client, caller) = self.session.client_and_caller();
        let remember = |form, refused| {
            client.refused_options.insert(&caller.authorization, Route::of(&self.path), form, refused);
        };
        let mut refused = OptionSet::NONE;
        for ((set, single), is_refused) in singles.iter().zip(of_singles) {
            if is_refused == Some(true) {
                refused = refused.union(*set);
                let is_any_filter = set.filter && any_filter;
                let form =
                    if is_any_filter { RequestForm::AnyFilter } else { client.refused_options.form(single) };
                remember(form, *set);
            }
        }
        if refused.is_empty() && all {
            // Each option is supported, but not all together. The filter saves the most reading.
            refused = OptionSet { filter: false, order_by: used.filter && used.order_by, count: used.count };
            remember(client.refused_options.form(&neutral), refused);
        }
        if !refused.is_empty() {
            let OptionSet { filter, order_by, count } = refused;
            warn!(
                route = Route::of(&self.path).as_str(),
                filter, order_by, count, "Graph refuses query options of a list; it is read without them"
            );
        }
        refused
    }

    /// Whether a read of keys is refused; `None` if it fails otherwise.
    async fn is_refused(&self, options: &ListOptions) -> Option<bool> {
        match self.list(options.to_query(), &Select::from(["id"])).await {
            Ok(_) => Some(false),
            Err(error) => error.may_refuse_options().then_some(true),
        }
    }

    /// Whether the service has refused counts with filters lately for this caller's tenant.
    #[must_use]
    pub fn refuses_filtered_counts(&self) -> bool {
        let (client, caller) = self.session.client_and_caller();
        client.refused_options.refuses_filtered_counts(&caller.authorization, Route::of(&self.path))
    }

    /// A first page of a list whose counts with filters failed, if the list can be read: the service then refuses such
    /// counts, which is remembered. `None` in an outage. The first such read takes one retry of the retry budget.
    pub async fn page_without_counts(&self, query: String, select: &Select) -> Option<Page<T>> {
        let (client, caller) = self.session.client_and_caller();
        let form = RequestForm::FilteredCounts;
        let turn = client.refused_options.turn(caller, Route::of(&self.path), form).await?;
        if self.refuses_filtered_counts() {
            drop(turn);
            return self.list(query, select).await.ok();
        }
        let _turn = turn.begin();
        if !self.session.take_retry() {
            return None;
        }
        let page = self.list(query, select).await.ok()?;
        self.remember_refused_counts();
        Some(page)
    }

    /// Remembers that the service refuses counts with filters.
    fn remember_refused_counts(&self) {
        let (client, caller) = self.session.client_and_caller();
        let route = Route::of(&self.path);
        let count = OptionSet { count: true, ..OptionSet::NONE };
        client.refused_options.insert(&caller.authorization, route, RequestForm::FilteredCounts, count);
        warn!(route = route.as_str(), "Graph refuses counts with filters; the list is read to count it");
    }
}
