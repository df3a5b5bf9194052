// Package dashboards is the Grafana dashboards of a Cube fleet: the fleet, one
// node, and the scheduler. They are written in Go with Grafana's own
// foundation SDK and generated to the JSON files beside it by go generate.
//
// What may be in it: panels, the queries behind them, and what tests need to run
// those queries. A query reads metrics of the program's own pages, not recording
// rules, so that a dashboard works with any Prometheus that scrapes the fleet.
// It imports the SDK and cube/deploy/prometheus; the program does not import it.
package dashboards

//go:generate go run ./generate
