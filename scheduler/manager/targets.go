package manager

import (
	"maps"
	"net/url"
	"slices"

	"cube/worker/wire"
)

// The values of the label "job" that tells managers from workers.
const (
	jobManager = "cube-manager"
	jobWorker  = "cube-worker"
)

// Targets is the fleet for Prometheus' HTTP service discovery: a group a node,
// and the manager itself as self names it, a URL; empty leaves it out.
func (m *Manager) Targets(self string) []wire.TargetGroup {
	m.mu.Lock()
	defer m.mu.Unlock()
	groups := make([]wire.TargetGroup, 0, len(m.nodes)+1)
	if group, ok := targetGroup(self, map[string]string{"job": jobManager}); ok {
		groups = append(groups, group)
	}
	for _, name := range slices.Sorted(maps.Keys(m.nodes)) {
		labels := map[string]string{"job": jobWorker, "node": name}
		if group, ok := targetGroup(m.nodes[name].record.URL, labels); ok {
			groups = append(groups, group)
		}
	}
	return groups
}

// targetGroup is one target; scheme and path are said where they are not
// Prometheus' defaults.
func targetGroup(baseURL string, labels map[string]string) (wire.TargetGroup, bool) {
	base, err := url.Parse(baseURL)
	if err != nil || base.Host == "" {
		return wire.TargetGroup{}, false
	}
	if base.Scheme == "https" {
		labels["__scheme__"] = "https"
	}
	if base.Path != "" {
		labels["__metrics_path__"] = base.Path + "/metrics"
	}
	return wire.TargetGroup{Targets: []string{base.Host}, Labels: labels}, true
}
