//! How the SDK is set up: which roots are trusted, how often a call is tried, and how many calls were made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ssm::config::SharedCredentialsProvider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use jiff::{Timestamp, Unit};

use crate::settings::{Faults, process_environment};

/// The roots that AWS's endpoints chain to, from <https://www.amazontrust.com/repository/>.
///
/// Loading the system's hundred and more roots is two thirds of a cold start; five are both quicker to load and a
/// smaller thing to trust. `AWS_CA_BUNDLE` replaces them, as it does in the AWS CLI.
const AMAZON_TRUST_SERVICES: &[u8] = include_bytes!("amazon-trust-services.pem");

/// An instant as the services send it: milliseconds as a decimal fraction, which floating point turns into a little more
/// or less. `None` where it is none that can be told.
pub fn instant(time: aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.as_nanos()).ok()?.round(Unit::Millisecond).ok()
}

/// Attempts for one call, the first included. Backoff is exponential with jitter, so the last comes after about 15 s.
const ATTEMPTS: u32 = 6;

/// What every client is made from.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    calls: CallCounter,
}

impl Aws {
    /// Sets the SDK up from the function's environment: `AWS_REGION`, the credentials that Lambda hands over, and where
    /// they are set `AWS_ENDPOINT_URL`, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT` and `AWS_CA_BUNDLE`.
    ///
    /// It is set up by hand, because the SDK's own loader links every source of credentials and settings there is,
    /// profiles and token services included: a tenth of the package, for nothing that Lambda has.
    ///
    /// # Errors
    /// When `AWS_REGION` is missing, `AWS_CA_BUNDLE` names a file that cannot be read, or the trust store is refused.
    pub fn from_environment() -> Result<Self, Faults> {
        let mut environment = process_environment();
        let is_true = |value: Option<String>| value.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (fips, dual_stack) = (
            is_true(environment.optional("AWS_USE_FIPS_ENDPOINT")),
            is_true(environment.optional("AWS_USE_DUALSTACK_ENDPOINT")),
        );
        let endpoint = environment.optional("AWS_ENDPOINT_URL");
        let http = http_client(environment.optional("AWS_CA_BUNDLE")).map_err(|fault| Faults(vec![fault]))?;
        let region = environment.text("AWS_REGION");
        let region = environment.finish(region)?;
        let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
        let config = common(http, Region::new(region), credentials);
        let mut config = config.into_builder().use_fips(fips).use_dual_stack(dual_stack);
        config.set_endpoint_url(endpoint);
        Ok(Self { config: config.build(), calls: CallCounter::default() })
    }

    /// Calls made through `http` instead of the network, with the retries and timeouts of a deployed function.
    #[cfg(any(test, feature = "fakes"))]
    pub(crate) fn through(http: SharedHttpClient) -> Self {
        let credentials = aws_sdk_ssm::config::Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "fakes");
        let credentials = SharedCredentialsProvider::new(credentials);
        let config = common(http, Region::from_static("eu-west-1"), credentials);
        Self { config, calls: CallCounter::default() }
    }

    /// What a service's client is configured from.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Counts the calls of the clients it is given to.
    pub fn calls(&self) -> CallCounter {
        self.calls.clone()
    }
}

/// What a deployed function and a test have in common.
fn common(http: SharedHttpClient, region: Region, credentials: SharedCredentialsProvider) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(credentials)
        .http_client(http)
        .retry_config(retries())
        .timeout_config(timeouts())
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(Duration::from_secs(8))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(40))
        .build()
}

fn http_client(bundle: Option<String>) -> Result<SharedHttpClient, String> {
    let roots = match bundle {
        Some(path) => std::fs::read(&path).map_err(|error| format!("`AWS_CA_BUNDLE` is `{path}`: {error}"))?,
        None => AMAZON_TRUST_SERVICES.to_vec(),
    };
    let tls = TlsContext::builder().with_trust_store(TrustStore::empty().with_pem_certificate(roots)).build();
    let tls = tls.map_err(|error| format!("the trust store is refused: {error}"))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .build_https())
}

/// Counts calls to AWS, every attempt of each.
#[derive(Clone, Debug, Default)]
pub struct CallCounter(Arc<AtomicU64>);

impl CallCounter {
    /// How many there were since the process began.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for CallCounter {
    fn name(&self) -> &'static str {
        "CallCounter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
