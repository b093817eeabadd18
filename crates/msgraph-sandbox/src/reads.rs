//! Reads: pages of collections, single entities, counts and the summaries that the service computes.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::call::Call;
use crate::entity::{StructuredValue, Value};
use crate::error::{GraphError, Result, quoted};
use crate::faults::{ReadFault, RefusedOption};
use crate::instant::Instant;
use crate::model::{
    COMPLIANCE_STATUS, DEVICE_STATUSES, DEVICE_SUMMARY, Navigation, StructuredType, USER_STATUSES, Version,
};
use crate::paging::SkipToken;
use crate::path::{Address, key_in_parentheses};
use crate::query::{QueryOptions, QueryTarget};
use crate::render::{Members, View, array, push_display};
use crate::response::GraphResponse;
use crate::service::Service;
use crate::settings::Profile;
use crate::store::{EntitySet, EntitySetPath, Store, StoredEntity};

/// A read operation on the store.
pub(crate) struct ReadOperation<'a> {
    pub(crate) service: &'a Service,
    pub(crate) call: &'a Call<'a>,
    pub(crate) address: &'a Address,
    pub(crate) version: Version,
    pub(crate) store: &'a Store,
    pub(crate) faults: &'a [ReadFault],
}

impl ReadOperation<'_> {
    /// A page of a collection.
    pub(crate) fn list(&self, set_address: &EntitySetPath) -> Result<GraphResponse> {
        let set = self.set(set_address)?;
        let options = self.options(QueryTarget::Collection)?;
        if let Some(refusal) = self.refusal(&options, options.count) {
            return Ok(refusal);
        }
        let live_like = self.service.settings.profile == Profile::LiveLike;

        let start = match &options.skip_token {
            Some(text) => SkipToken::decode(text)
                .ok_or_else(|| GraphError::bad_request("The skip token is not valid."))?,
            None => SkipToken { page: 1, offset: options.skip.unwrap_or(0) },
        };
        let max_page_size = self.service.page_size();
        let requested = options.top.unwrap_or(max_page_size).min(max_page_size);

        let filter = options.filter.as_ref().filter(|_| !self.has_fault(&ReadFault::FilterIgnored));
        let order = if self.has_fault(&ReadFault::OrderIgnored) { &[][..] } else { &options.order };
        let selection = self.service.orders.select((set_address, set), self.store.revision(), filter, order);

        let hidden = self.has_fault(&ReadFault::EmptyUnlessExpanded)
            && !options.text("$expand").contains("assignments");
        let total = if hidden { 0 } else { selection.len() };
        let shown_total = self.shown_total(total);
        let size = self.page_size(requested);
        let end = start.offset.saturating_add(size).min(shown_total);
        let repeated = usize::from(self.has_fault(&ReadFault::RowRepeated) && start.offset > 0);
        let empty = self.has_fault(&ReadFault::EmptyPage);
        let shown = if empty { 0..0 } else { start.offset.saturating_sub(repeated)..end };
        let next = if empty { start.offset } else { end };

        let rows: Vec<&StoredEntity> = shown
            .filter_map(|place| selection.position(place))
            .filter_map(|position| set.at(position))
            .collect();

        let mut out = Vec::with_capacity(256 + rows.len() * 512);
        let mut members = Members::open(&mut out);
        members.string("@odata.context", &self.context(&options, ""));
        if options.count
            || live_like
            || self.faults.iter().any(|fault| matches!(fault, ReadFault::CountWrong(_)))
        {
            let count = self.count_shown(total, rows.len());
            push_display(members.name("@odata.count"), &count);
        }
        if next < shown_total {
            members.string(
                "@odata.nextLink",
                &self.next_link(&options, SkipToken { page: start.page + 1, offset: next }),
            );
        }
        let view = self.view(&options);
        array(members.name("value"), &rows, |out, entry| {
            let mut members = Members::open(out);
            self.row(&mut members, entry, &view, &options);
            members.close();
        });
        members.close();
        Ok(GraphResponse::json(StatusCode::OK, out))
    }

    /// `…/$count`: digits as plain text.
    pub(crate) fn count(&self, set_address: &EntitySetPath) -> Result<GraphResponse> {
        let set = self.set(set_address)?;
        let options = self.options(QueryTarget::Count)?;
        if let Some(refusal) = self.refusal(&options, true) {
            return Ok(refusal);
        }
        let filter = options.filter.as_ref().filter(|_| !self.has_fault(&ReadFault::FilterIgnored));
        let selection = self.service.orders.select((set_address, set), self.store.revision(), filter, &[]);
        let count = self.count_shown(selection.len(), selection.len());
        Ok(GraphResponse::new(StatusCode::OK, count.to_string())
            .with(CONTENT_TYPE, HeaderValue::from_static("text/plain")))
    }

    pub(crate) fn get(&self, set_address: &EntitySetPath, key: &str) -> Result<GraphResponse> {
        let entry = self.set(set_address)?.get(key).ok_or_else(GraphError::not_found)?;
        let options = self.options(QueryTarget::Entity)?;
        Ok(self.entity(StatusCode::OK, entry, &options))
    }

    /// The response with the entity that a write created or changed.
    pub(crate) fn written_entity(&self, status: StatusCode, entry: &StoredEntity) -> GraphResponse {
        self.entity(status, entry, &QueryOptions::default())
    }

    /// A summary of the rows that another navigation property of the same parent holds.
    pub(crate) fn computed(&self, root: usize, key: &str) -> Result<GraphResponse> {
        let parent = self.store.root_entry(root, key).ok_or_else(GraphError::not_found)?;
        let options = self.options(QueryTarget::Entity)?;
        let of = if *self.address.kind == DEVICE_SUMMARY { DEVICE_STATUSES } else { USER_STATUSES };
        let summary = summary(self.address.kind, parent, of);
        let summary = summary.ok_or_else(GraphError::not_found)?;
        let mut out = Vec::new();
        let mut members = Members::open(&mut out);
        members.string("@odata.context", &self.context(&options, "/$entity"));
        self.view(&options).entity(&mut members, &summary);
        members.close();
        Ok(GraphResponse::json(StatusCode::OK, out))
    }

    fn entity(&self, status: StatusCode, entry: &StoredEntity, options: &QueryOptions) -> GraphResponse {
        let mut out = Vec::with_capacity(1024);
        let mut members = Members::open(&mut out);
        members.string("@odata.context", &self.context(options, "/$entity"));
        self.row(&mut members, entry, &self.view(options), options);
        members.close();
        GraphResponse::json(status, out)
    }

    /// An entity's members and its expanded properties.
    fn row(&self, members: &mut Members<'_>, entry: &StoredEntity, view: &View<'_>, options: &QueryOptions) {
        view.entity(members, &entry.entity);
        for index in &options.expand {
            let navigation = entry.entity.kind.navigations.get(*index);
            if let (Some(navigation), Some(set)) = (navigation, entry.contained(*index)) {
                self.expanded(members, entry, navigation, set);
            }
        }
    }

    fn expanded(
        &self,
        members: &mut Members<'_>,
        entry: &StoredEntity,
        navigation: &Navigation,
        set: &EntitySet,
    ) {
        let name = navigation.name;
        let path = format!("{}{}/{name}", self.address.collection, key_in_parentheses(entry.entity.id()));
        let root = self.call.root(self.version);
        members.string(
            &format!("{name}@odata.context"),
            &format!("{root}/$metadata#{}", path.trim_start_matches('/')),
        );
        let size = self.service.page_size();
        if set.len() > size {
            let token = SkipToken { page: 2, offset: size }.encode();
            members.string(&format!("{name}@odata.nextLink"), &format!("{root}{path}?$skiptoken={token}"));
        }
        let rows: Vec<&StoredEntity> = set.iter().take(size).collect();
        let view = View { select: None, ..self.view(&QueryOptions::default()) };
        array(members.name(name), &rows, |out, row| {
            let mut members = Members::open(out);
            view.entity(&mut members, &row.entity);
            members.close();
        });
    }

    fn set(&self, address: &EntitySetPath) -> Result<&EntitySet> {
        self.store.set(address).ok_or_else(GraphError::not_found)
    }

    fn options(&self, target: QueryTarget) -> Result<QueryOptions> {
        QueryOptions::parse(self.call.message.query.as_deref(), self.address.kind, self.version, target)
    }

    fn view<'o>(&self, options: &'o QueryOptions) -> View<'o> {
        View {
            version: self.version,
            echo_dates: self.service.echoes_dates(),
            select: options.select.as_deref(),
        }
    }

    /// `@odata.context`. The live service was seen to omit expanded properties in it.
    fn context(&self, options: &QueryOptions, suffix: &str) -> String {
        let mut listed: Vec<String> = options.select.clone().unwrap_or_default();
        if self.service.settings.profile == Profile::Documented {
            let names = options.expand.iter().filter_map(|index| self.address.kind.navigations.get(*index));
            listed.extend(names.map(|navigation| format!("{}()", navigation.name)));
        }
        let list = if listed.is_empty() { String::new() } else { format!("({})", listed.join(",")) };
        let path = self.address.collection.trim_start_matches('/');
        format!("{}/$metadata#{path}{list}{suffix}", self.call.root(self.version))
    }

    fn next_link(&self, options: &QueryOptions, token: SkipToken) -> String {
        let mut raw_options: Vec<String> = options
            .raw_options
            .iter()
            .filter(|option| !matches!(option.name.as_str(), "$skiptoken" | "$skip"))
            .filter(|_| !self.has_fault(&ReadFault::LinkWithoutOptions))
            // Items of a batch may come with bare spaces.
            .map(|option| option.raw.replace(' ', "%20"))
            .collect();
        raw_options.push(format!("$skiptoken={}", token.encode()));
        // The path in the request's own spelling, below the canonical version.
        let path = self.call.message.path.trim_start_matches('/');
        let path = path.split_once('/').map_or("", |(_, below)| below);
        let link = format!("{}/{path}?{}", self.call.root(self.version), raw_options.join("&"));
        self.faults.iter().fold(link, |link, fault| fault.rewrite_link(link))
    }

    fn has_fault(&self, fault: &ReadFault) -> bool {
        self.faults.contains(fault)
    }

    fn page_size(&self, requested: usize) -> usize {
        self.faults
            .iter()
            .find_map(|fault| match fault {
                ReadFault::PageSize(size) => Some(*size),
                _ => None,
            })
            .unwrap_or(requested)
    }

    /// The error response of an option that is refused. `counts` if the request asks for a count.
    fn refusal(&self, options: &QueryOptions, counts: bool) -> Option<GraphResponse> {
        self.faults.iter().find_map(|fault| {
            let ReadFault::OptionRefused(option, response) = fault else { return None };
            let is_used = match option {
                RefusedOption::Filter => options.filter.is_some(),
                RefusedOption::OrderBy => !options.order.is_empty(),
                RefusedOption::Count => counts,
                RefusedOption::Top => options.top.is_some(),
            };
            is_used.then(|| response.response(self.call))
        })
    }

    /// The number of entities that the pages of a collection have together.
    fn shown_total(&self, total: usize) -> usize {
        let short = self.faults.iter().find_map(|fault| match fault {
            ReadFault::ListShort(rows) => Some(*rows),
            _ => None,
        });
        short.map_or(total, |rows| total.min(rows))
    }

    fn count_shown(&self, total: usize, on_page: usize) -> usize {
        self.faults
            .iter()
            .find_map(|fault| match fault {
                ReadFault::CountWrong(count) => Some(count.unwrap_or(on_page)),
                _ => None,
            })
            .unwrap_or(total)
    }
}

/// Counts the rows of a parent's navigation property by their status.
fn summary(kind: &'static StructuredType, parent: &StoredEntity, of: usize) -> Option<StructuredValue> {
    let rows = parent.contained(of)?;
    let count = |statuses: &[&str]| {
        let counted = rows
            .iter()
            .filter(|row| statuses.contains(&COMPLIANCE_STATUS.members[row.entity.member("status")]))
            .count();
        Value::Int32(i32::try_from(counted).unwrap_or(i32::MAX))
    };
    let latest = rows
        .iter()
        .filter_map(|row| match row.entity.get("lastReportedDateTime") {
            Value::Date(date) => Some(date.instant),
            _ => None,
        })
        .max()
        .unwrap_or(Instant::MIN);
    // The first GUID identifies the account, as in live ids.
    let id = format!("b1d6e1bc-92c3-4c6c-9a5c-3d5d2f8d7c11_{}", parent.entity.id());
    Some(
        StructuredValue::new(kind)
            .with("id", id.as_str())
            .with("configurationVersion", Value::Int32(parent.entity.int32("version")))
            .with("errorCount", count(&["error"]))
            .with("failedCount", count(&["nonCompliant"]))
            .with("notApplicableCount", count(&["notApplicable"]))
            .with("pendingCount", count(&["unknown", "notAssigned"]))
            .with("successCount", count(&["compliant", "remediated"]))
            .with("conflictCount", count(&["conflict"]))
            .with("lastUpdateDateTime", latest),
    )
}

/// `{"value": …}` of an action, which has no entity to describe.
pub(crate) fn action_value(context: &str, value: &[u8]) -> GraphResponse {
    let mut out = format!(r#"{{"@odata.context":{},"value":"#, quoted(context)).into_bytes();
    out.extend_from_slice(value);
    out.push(b'}');
    GraphResponse::json(StatusCode::OK, out)
}
