package manager

import (
	"net"
	"net/url"
	"path"

	"cube/scheduler/scrape"
	"cube/worker/wire"
)

// nodeExporterPort is where node_exporter listens unless told otherwise.
const nodeExporterPort = "9100"

// checkMetricsFrom refuses what no page could be read by.
func checkMetricsFrom(from *wire.MetricsFrom) error {
	switch from.Source {
	case "", scrape.CubeWorker().Name, scrape.NodeExporter().Name:
	default:
		return wire.New(wire.CodeInvalid, "Metrics.Source: %q is no source of metrics; want %q or %q", from.Source, scrape.CubeWorker().Name, scrape.NodeExporter().Name).WithField("Metrics.Source")
	}
	if from.URL != "" {
		base, err := url.Parse(from.URL)
		if err != nil || (base.Scheme != "http" && base.Scheme != "https") || !isAddress(base) {
			return wire.New(wire.CodeInvalid, "Metrics.URL: %q is not the URL of a page; want http://host:port", from.URL).WithField("Metrics.URL")
		}
		if base.User != nil {
			return wire.New(wire.CodeInvalid, "Metrics.URL: credentials do not belong in it; the manager's HTTP configuration has them").WithField("Metrics.URL")
		}
	}
	if from.DataRoot != "" && !path.IsAbs(from.DataRoot) {
		return wire.New(wire.CodeInvalid, "Metrics.DataRoot: %q is not an absolute path", from.DataRoot).WithField("Metrics.DataRoot")
	}
	return nil
}

// target is where the node's metrics are read.
func (r *NodeRecord) target() scrape.Target {
	target := scrape.Target{Node: r.Name, URL: r.Metrics.URL, Source: r.Metrics.Source, DataRoot: r.Metrics.DataRoot}
	if target.URL != "" {
		return target
	}
	target.URL = r.URL + "/metrics"
	if r.Metrics.Source == "" || r.Metrics.Source != scrape.NodeExporter().Name {
		return target
	}
	if base, err := url.Parse(r.URL); err == nil { // it was parsed when it was taken
		base.Host, base.Path = net.JoinHostPort(base.Hostname(), nodeExporterPort), "/metrics"
		target.URL = base.String()
	}
	return target
}
