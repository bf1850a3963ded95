//! How punctual does the bridge itself say that it is? (Prometheus text format)

use std::time::Duration;

use anyhow::Context;

/// How long the page may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A bridge's page of figures.
pub(crate) struct Metrics {
    client: reqwest::Client,
    url: String,
}

/// What media threads have done so far, all together.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticks {
    pub ticks: u64,
    /// Ticks that began more than 5 ms late.
    pub late: u64,
    /// Ticks whose encoders tried less hard to catch up.
    #[serde(default)]
    pub hurried: u64,
    /// Ticks that were left out after a pause.
    pub skipped: u64,
}

impl Metrics {
    /// # Errors
    /// When no HTTP client can be set up.
    pub(crate) fn at(url: String) -> anyhow::Result<Metrics> {
        // Another part of the process may have chosen its provider already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        Ok(Metrics { client, url })
    }

    /// # Errors
    /// When the page cannot be had, or says nothing of ticks.
    pub(crate) async fn read(&self) -> anyhow::Result<Ticks> {
        let page = async {
            let answer = self.client.get(&self.url).send().await?;
            answer.error_for_status()?.text().await
        };
        let page = page.await.with_context(|| self.url.clone())?;
        let sum = |name: &str| sum_of(&page, name);
        let ticks = sum("tutti_ticks_total")
            .with_context(|| format!("{} says nothing of tutti_ticks_total", self.url))?;
        Ok(Ticks {
            ticks,
            late: sum("tutti_late_ticks_total").unwrap_or_default(),
            hurried: sum("tutti_hurried_ticks_total").unwrap_or_default(),
            skipped: sum("tutti_skipped_ticks_total").unwrap_or_default(),
        })
    }
}

impl Ticks {
    /// What was done since an earlier moment.
    pub(crate) fn since(&self, earlier: &Ticks) -> Ticks {
        Ticks {
            ticks: self.ticks.saturating_sub(earlier.ticks),
            late: self.late.saturating_sub(earlier.late),
            hurried: self.hurried.saturating_sub(earlier.hurried),
            skipped: self.skipped.saturating_sub(earlier.skipped),
        }
    }

    /// Late and skipped ticks among a million.
    pub fn late_per_million(&self) -> f64 {
        1e6 * (self.late + self.skipped) as f64 / (self.ticks + self.skipped).max(1) as f64
    }
}

/// The sum of a figure over all its labels; `None` where it does not stand.
fn sum_of(page: &str, name: &str) -> Option<u64> {
    let values: Vec<f64> = page
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with(['{', ' ']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse().ok())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_summed_over_its_threads() {
        let page = "# HELP tutti_ticks_total Ticks.\n# TYPE tutti_ticks_total counter\n\
                    tutti_ticks_total{thread=\"0\"} 100\ntutti_ticks_total{thread=\"1\"} 20\n\
                    tutti_ticks_total_other 7\ntutti_calls 3\n";
        assert_eq!(sum_of(page, "tutti_ticks_total"), Some(120));
        assert_eq!(sum_of(page, "tutti_calls"), Some(3));
        assert_eq!(sum_of(page, "tutti_late_ticks_total"), None);
    }

    #[test]
    fn skipped_ticks_are_late_ones() {
        let ticks = Ticks {
            ticks: 999_990,
            late: 5,
            hurried: 7,
            skipped: 10,
        };
        assert_eq!(ticks.late_per_million(), 15.0);
    }
}
