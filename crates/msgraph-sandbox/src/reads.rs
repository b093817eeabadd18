//! Reads: pages of collections, single entities, counts and the summaries that the service computes.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::answer::Answer;
use crate::call::Call;
use crate::entity::{Structured, Value};
use crate::error::{GraphError, Result, quoted};
use crate::faults::ReadFault;
use crate::instant::Instant;
use crate::model::{
    COMPLIANCE_STATUS, DEVICE_STATUSES, DEVICE_SUMMARY, Navigation, StructuredType, USER_STATUSES, Version,
};
use crate::paging::SkipToken;
use crate::path::{Address, key_in_parentheses};
use crate::query::{Options, Scope};
use crate::render::{Members, View, array, push_display};
use crate::service::Service;
use crate::settings::Profile;
use crate::store::{Entry, Set, SetAddress, Store};

/// A read under way.
pub(crate) struct Read<'a> {
    pub(crate) service: &'a Service,
    pub(crate) call: &'a Call<'a>,
    pub(crate) address: &'a Address,
    pub(crate) version: Version,
    pub(crate) store: &'a Store,
    pub(crate) faults: &'a [ReadFault],
}

impl Read<'_> {
    /// A page of a collection.
    pub(crate) fn list(&self, set_address: &SetAddress) -> Result<Answer> {
        let set = self.set(set_address)?;
        let options = self.options(Scope::Collection)?;
        let live_like = self.service.settings.profile == Profile::LiveLike;

        let start = match &options.skip_token {
            Some(text) => SkipToken::decode(text)
                .ok_or_else(|| GraphError::bad_request("The skip token is not valid."))?,
            None => SkipToken { page: 1, offset: options.skip.unwrap_or(0) },
        };
        let most = self.service.page_size();
        let asked = options.top.unwrap_or(most).min(most);

        let filter = options.filter.as_ref().filter(|_| !self.fails(&ReadFault::FilterIgnored));
        let order = if self.fails(&ReadFault::OrderIgnored) { &[][..] } else { &options.order };
        let selection = self.service.orders.select((set_address, set), self.store.revision(), filter, order);

        let hidden =
            self.fails(&ReadFault::EmptyUnlessExpanded) && !options.text("$expand").contains("assignments");
        let total = if hidden { 0 } else { selection.len() };
        let size = self.page_size(asked);
        let end = start.offset.saturating_add(size).min(total);
        let repeated = usize::from(self.fails(&ReadFault::RowRepeated) && start.offset > 0);
        let empty = self.fails(&ReadFault::EmptyPage);
        let shown = if empty { 0..0 } else { start.offset.saturating_sub(repeated)..end };
        let next = if empty { start.offset } else { end };

        let rows: Vec<&Entry> = shown
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
        if next < total {
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
        Ok(Answer::json(StatusCode::OK, out))
    }

    /// `…/$count`: digits as plain text.
    pub(crate) fn count(&self, set_address: &SetAddress) -> Result<Answer> {
        let set = self.set(set_address)?;
        let options = self.options(Scope::Count)?;
        let filter = options.filter.as_ref().filter(|_| !self.fails(&ReadFault::FilterIgnored));
        let selection = self.service.orders.select((set_address, set), self.store.revision(), filter, &[]);
        let count = self.count_shown(selection.len(), selection.len());
        Ok(Answer::new(StatusCode::OK, count.to_string())
            .with(CONTENT_TYPE, HeaderValue::from_static("text/plain")))
    }

    pub(crate) fn get(&self, set_address: &SetAddress, key: &str) -> Result<Answer> {
        let entry = self.set(set_address)?.get(key).ok_or_else(GraphError::not_found)?;
        let options = self.options(Scope::Entity)?;
        Ok(self.entity(StatusCode::OK, entry, &options))
    }

    /// A whole entity as a write answers it.
    pub(crate) fn written(&self, status: StatusCode, entry: &Entry) -> Answer {
        self.entity(status, entry, &Options::default())
    }

    /// A summary of the rows that another navigation property of the same parent holds.
    pub(crate) fn computed(&self, root: usize, key: &str) -> Result<Answer> {
        let parent = self.store.root_entry(root, key).ok_or_else(GraphError::not_found)?;
        let options = self.options(Scope::Entity)?;
        let of = if *self.address.kind == DEVICE_SUMMARY { DEVICE_STATUSES } else { USER_STATUSES };
        let summary = summary(self.address.kind, parent, of);
        let summary = summary.ok_or_else(GraphError::not_found)?;
        let mut out = Vec::new();
        let mut members = Members::open(&mut out);
        members.string("@odata.context", &self.context(&options, "/$entity"));
        self.view(&options).entity(&mut members, &summary);
        members.close();
        Ok(Answer::json(StatusCode::OK, out))
    }

    fn entity(&self, status: StatusCode, entry: &Entry, options: &Options) -> Answer {
        let mut out = Vec::with_capacity(1024);
        let mut members = Members::open(&mut out);
        members.string("@odata.context", &self.context(options, "/$entity"));
        self.row(&mut members, entry, &self.view(options), options);
        members.close();
        Answer::json(status, out)
    }

    /// An entity's members and what was expanded.
    fn row(&self, members: &mut Members<'_>, entry: &Entry, view: &View<'_>, options: &Options) {
        view.entity(members, &entry.entity);
        for index in &options.expand {
            let navigation = entry.entity.kind.navigations.get(*index);
            if let (Some(navigation), Some(set)) = (navigation, entry.contained(*index)) {
                self.expanded(members, entry, navigation, set);
            }
        }
    }

    fn expanded(&self, members: &mut Members<'_>, entry: &Entry, navigation: &Navigation, set: &Set) {
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
        let rows: Vec<&Entry> = set.iter().take(size).collect();
        let view = View { select: None, ..self.view(&Options::default()) };
        array(members.name(name), &rows, |out, row| {
            let mut members = Members::open(out);
            view.entity(&mut members, &row.entity);
            members.close();
        });
    }

    fn set(&self, address: &SetAddress) -> Result<&Set> {
        self.store.set(address).ok_or_else(GraphError::not_found)
    }

    fn options(&self, scope: Scope) -> Result<Options> {
        Options::parse(self.call.message.query.as_deref(), self.address.kind, self.version, scope)
    }

    fn view<'o>(&self, options: &'o Options) -> View<'o> {
        View {
            version: self.version,
            echo_dates: self.service.echoes_dates(),
            select: options.select.as_deref(),
        }
    }

    /// `@odata.context`. The live service was seen to leave what is expanded out of it.
    fn context(&self, options: &Options, suffix: &str) -> String {
        let mut listed: Vec<String> = options.select.clone().unwrap_or_default();
        if self.service.settings.profile == Profile::Documented {
            let names = options.expand.iter().filter_map(|index| self.address.kind.navigations.get(*index));
            listed.extend(names.map(|navigation| format!("{}()", navigation.name)));
        }
        let list = if listed.is_empty() { String::new() } else { format!("({})", listed.join(",")) };
        let path = self.address.collection.trim_start_matches('/');
        format!("{}/$metadata#{path}{list}{suffix}", self.call.root(self.version))
    }

    fn next_link(&self, options: &Options, token: SkipToken) -> String {
        let mut pairs: Vec<String> = options
            .pairs
            .iter()
            .filter(|pair| !matches!(pair.name.as_str(), "$skiptoken" | "$skip"))
            .filter(|_| !self.fails(&ReadFault::LinkWithoutOptions))
            // Items of a batch may come with bare spaces.
            .map(|pair| pair.raw.replace(' ', "%20"))
            .collect();
        pairs.push(format!("$skiptoken={}", token.encode()));
        // The path in the request's own spelling, below the canonical version.
        let path = self.call.message.path.trim_start_matches('/');
        let path = path.split_once('/').map_or("", |(_, below)| below);
        let link = format!("{}/{path}?{}", self.call.root(self.version), pairs.join("&"));
        self.faults.iter().fold(link, |link, fault| fault.rewrite_link(link))
    }

    fn fails(&self, fault: &ReadFault) -> bool {
        self.faults.contains(fault)
    }

    fn page_size(&self, asked: usize) -> usize {
        self.faults
            .iter()
            .find_map(|fault| match fault {
                ReadFault::PageSize(size) => Some(*size),
                _ => None,
            })
            .unwrap_or(asked)
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
fn summary(kind: &'static StructuredType, parent: &Entry, of: usize) -> Option<Structured> {
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
    // The first GUID stands for the account, as in the ids seen live.
    let id = format!("b1d6e1bc-92c3-4c6c-9a5c-3d5d2f8d7c11_{}", parent.entity.id());
    Some(
        Structured::new(kind)
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
pub(crate) fn action_value(context: &str, value: &[u8]) -> Answer {
    let mut out = format!(r#"{{"@odata.context":{},"value":"#, quoted(context)).into_bytes();
    out.extend_from_slice(value);
    out.push(b'}');
    Answer::json(StatusCode::OK, out)
}
