//! `createIosLobAppProvisioningConfiguration`.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object};

use crate::graph::{Created, Key, Outcome};
use crate::provisioning_profile::ProvisioningProfile;
use crate::schema::bounded::Bounded;
use crate::schema::connection::{Edge, Listed as _};
use crate::schema::context::{request_context, schema_context, session};
use crate::schema::entity_cache::Properties;
use crate::schema::error::FieldError;
use crate::schema::global_id::GlobalId;
use crate::schema::mutation::idempotency::{self, IdempotentCall, ReplayableCreate};
use crate::schema::mutation::write_approval::{self, WriteApprovalInput};
use crate::schema::selection::Selected;
use crate::schema::types::{IosLobAppProvisioningConfiguration, IosLobAppProvisioningConfigurationInput};

/// The input of `createIosLobAppProvisioningConfiguration`.
#[derive(Debug, InputObject)]
pub(super) struct CreateIosLobAppProvisioningConfigurationInput {
    /// The configuration to create.
    configuration: IosLobAppProvisioningConfigurationInput,
    /// Whether to reject a payload that is not a provisioning profile, before anything is sent to
    /// Graph. The signature of the profile is not verified. By default the payload is sent
    /// unchecked.
    #[graphql(default)]
    validate_payload: bool,
    /// A key that makes the call safe to repeat. Use a new UUID for each new object, and the same
    /// key for a retry.
    ///
    /// A call with the same key and the same input returns the object of the first call, with
    /// `replayed: true`, and creates nothing. With other input it fails with
    /// `IDEMPOTENCY_KEY_REUSED`. Keys are stored for 24 hours by default; a gateway without a state
    /// file loses them when it restarts. A key has 1 to 255 visible ASCII characters.
    idempotency_key: Option<String>,
    /// The approval of a second administrator, in a tenant that requires one: a justification to
    /// ask for it, or the code of the approved request. It is not part of the input that an
    /// idempotency key is compared by.
    approval: Option<WriteApprovalInput>,
    /// Any text of the client's choice. The payload returns it unchanged.
    client_mutation_id: Option<String>,
}

/// The result of `createIosLobAppProvisioningConfiguration`.
pub(super) struct CreateIosLobAppProvisioningConfigurationPayload {
    key: Key,
    /// The created configuration. Null if it was created but could not be read; the error then has
    /// `outcome: APPLIED`. Do not create it again.
    configuration: Option<IosLobAppProvisioningConfiguration>,
    replayed: bool,
    client_mutation_id: Option<String>,
}

/// Creates the configuration in Graph: one POST.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: CreateIosLobAppProvisioningConfigurationInput,
) -> Result<CreateIosLobAppProvisioningConfigurationPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let max_configuration_payload = schema_context(ctx).map_err(not_sent)?.max_configuration_payload;
    let configuration =
        input.configuration.into_model("input.configuration", max_configuration_payload).map_err(not_sent)?;
    let approval = write_approval::approval(input.approval.as_ref()).map_err(not_sent)?;
    if input.validate_payload {
        ProvisioningProfile::read_base64(&configuration.payload).map_err(|why| {
            let message = format!("`input.configuration.payload` must be a provisioning profile, but {why}.");
            not_sent(FieldError::bad_user_input(message))
        })?;
    }
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    let call = IdempotentCall {
        mutation: "createIosLobAppProvisioningConfiguration",
        configuration: None,
        idempotency_key: input.idempotency_key.as_deref(),
    };
    let collection = configurations.collection();
    let ReplayableCreate { created, replayed } =
        idempotency::create_one(ctx, call, &collection, configuration, approval).await?;
    let (key, configuration) = match created {
        Created::Entity(entity) => {
            let entity = Arc::new(entity);
            let configuration = IosLobAppProvisioningConfiguration::new(Arc::clone(&entity))?;
            let key = configuration.key().clone();
            request_context(ctx)?.configurations.insert(key.clone(), Properties::All, Some(entity));
            (key, Some(configuration))
        }
        Created::Key(key) => (key, None),
    };
    Ok(CreateIosLobAppProvisioningConfigurationPayload {
        key,
        configuration,
        replayed,
        client_mutation_id: input.client_mutation_id,
    })
}

impl CreateIosLobAppProvisioningConfigurationPayload {
    /// The configuration that Graph returned. If Graph returned only the key, the configuration is read with the present
    /// caller's token.
    async fn created(
        &self,
        ctx: &Context<'_>,
        selected: Selected<'_>,
    ) -> Result<IosLobAppProvisioningConfiguration, FieldError> {
        if let Some(configuration) = &self.configuration {
            return Ok(configuration.clone());
        }
        let found = IosLobAppProvisioningConfiguration::load(ctx, selected, &self.key).await;
        let found =
            found.and_then(|found| found.ok_or_else(|| FieldError::not_shown("created the configuration")));
        found.map_err(|error| error.with_outcome(Outcome::Applied))
    }
}

/// The result of `createIosLobAppProvisioningConfiguration`.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl CreateIosLobAppProvisioningConfigurationPayload {
    /// The global id of the created configuration. It is known even if the object could not be
    /// read.
    async fn configuration_id(&self) -> ID {
        ID(GlobalId::Configuration(self.key.clone()).encode())
    }

    /// The created configuration. Null if it was created but could not be read; the error then has
    /// `outcome: APPLIED`. Do not create it again.
    async fn configuration(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<IosLobAppProvisioningConfiguration>, FieldError>> {
        let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
        Some(self.created(ctx, selected).await.map(Bounded::guaranteed))
    }

    /// The created configuration as an edge, which a client can append to a list in its cache. Null
    /// under the conditions of `configuration`.
    async fn configuration_edge(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<Edge<IosLobAppProvisioningConfiguration>>, FieldError>> {
        let edge = Selected::of(ctx, "IosLobAppProvisioningConfigurationEdge");
        let node = edge.within("node", IosLobAppProvisioningConfiguration::NAME).next().unwrap_or(edge);
        let created = self.created(ctx, node).await;
        Some(created.map(|configuration| Bounded::guaranteed(configuration.into_edge())))
    }

    /// Whether an earlier call with the same `idempotencyKey` created the object, and this call
    /// created nothing.
    async fn replayed(&self) -> bool {
        self.replayed
    }

    /// The `clientMutationId` of the input. Null if the input has none.
    async fn client_mutation_id(&self) -> Option<&str> {
        self.client_mutation_id.as_deref()
    }
}
