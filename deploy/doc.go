// Package deploy is what runs Cube elsewhere than on a developer's machine: an
// image, a compose file, systemd units, and what Prometheus and Grafana need to
// watch a fleet.
//
// What may be in it: files for those programs, and Go that tests or generates
// them. It imports nothing of ours, and nothing of ours imports it.
package deploy
