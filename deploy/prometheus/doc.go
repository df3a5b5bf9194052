// Package prometheus is what Prometheus needs to watch a Cube fleet: two scrape
// configurations (by the manager's service discovery, or by a file), recording
// rules, alerts and their unit tests.
//
// What may be in it: YAML for Prometheus 2.42 and later, and the little Go that
// looks into its expressions, for tests here, of the dashboards and of the whole
// program. It imports Prometheus' own parser and nothing of ours.
package prometheus
