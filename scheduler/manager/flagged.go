package manager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v2"

	"cube/worker/wire"
)

// keepFlagged holds the fleet to what flags and the file say, until ctx ends.
func (m *Manager) keepFlagged(ctx context.Context) {
	var wanted []NodeRecord
	for _, join := range m.cfg.Workers {
		record, err := nodeRecord(join, OriginFlag)
		if err != nil {
			m.log.Error("A worker given by a flag cannot be taken.", "worker", join.URL, "error", err)
			continue
		}
		wanted = append(wanted, record)
	}
	m.hold(OriginFlag, wanted)
	if m.cfg.WorkersFile == "" {
		m.hold(OriginFile, nil)
		return
	}
	m.keepFile(ctx)
}

// keepFile reads the file and reads it again whenever it has changed. What
// cannot be read changes nothing.
func (m *Manager) keepFile(ctx context.Context) {
	ticker := time.NewTicker(m.cfg.WorkersFileInterval)
	defer ticker.Stop()
	var wanted []NodeRecord
	failed := ""
	for read := false; ; {
		records, err := readWorkersFile(m.cfg.WorkersFile)
		switch {
		case err == nil:
			wanted, read, failed = records, true, ""
		case err.Error() != failed:
			failed = err.Error()
			m.log.Error("The file of workers is not taken; the fleet stays as it is.", "error", err)
		}
		if read {
			m.hold(OriginFile, wanted)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// readWorkersFile reads a file_sd file: JSON, or YAML by its name's ending.
func readWorkersFile(path string) ([]NodeRecord, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the file of workers: %w", err)
	}
	var groups []wire.TargetGroup
	if ext := filepath.Ext(path); ext == ".yml" || ext == ".yaml" {
		err = yaml.UnmarshalStrict(text, &groups)
	} else {
		err = json.Unmarshal(text, &groups)
	}
	if err != nil {
		return nil, fmt.Errorf("the file of workers %s is not a list of groups with targets and labels: %w", path, err)
	}
	var records []NodeRecord
	for _, group := range groups {
		if group.Labels[labelMetricsURL] != "" && len(group.Targets) > 1 {
			return nil, fmt.Errorf("the file of workers %s: one %s for %d targets; want a group for each", path, labelMetricsURL, len(group.Targets))
		}
		for _, target := range group.Targets {
			record, err := nodeRecord(joinOf(target, group), OriginFile)
			if err != nil {
				return nil, fmt.Errorf("the file of workers %s: the target %q: %w", path, target, err)
			}
			records = append(records, record)
		}
	}
	return records, nil
}

// The labels of a file that say where a node is measured; see
// [wire.MetricsFrom]. Prometheus, which may read the same file, drops them.
const (
	labelSource     = "__source__"
	labelMetricsURL = "__metrics_url__"
	labelDataRoot   = "__data_root__"
)

// joinOf reads a target with Prometheus' own labels: __scheme__ for the scheme,
// and "node" for the name where the group has one target.
func joinOf(target string, group wire.TargetGroup) wire.Join {
	scheme := group.Labels["__scheme__"]
	if scheme == "" {
		scheme = "http"
	}
	join := wire.Join{URL: scheme + "://" + target, Labels: map[string]string{}}
	from := wire.MetricsFrom{Source: group.Labels[labelSource], URL: group.Labels[labelMetricsURL], DataRoot: group.Labels[labelDataRoot]}
	if from != (wire.MetricsFrom{}) {
		join.Metrics = &from
	}
	for key, value := range group.Labels {
		switch {
		case key == "node" && len(group.Targets) == 1:
			join.Name = value
		case !strings.HasPrefix(key, "__"):
			join.Labels[key] = value
		}
	}
	return join
}

// hold adds the wanted nodes of an origin and lets the others of it go. One
// that has live tasks is drained first: a file cut short by mistake must not
// move a fleet's tasks in one go.
func (m *Manager) hold(origin Origin, wanted []NodeRecord) {
	m.nodeChanges.Lock()
	names := map[string]struct{}{}
	for i := range wanted {
		names[wanted[i].Name] = struct{}{}
	}
	err := m.add(wanted, func(record *NodeRecord, err error) {
		m.log.Error("A node is not taken.", "node", record.Name, "origin", origin, "error", err)
	})
	if err != nil {
		m.log.Error("The fleet stays as it is.", "origin", origin, "error", err)
	}
	var gone []NodeRecord
	m.mu.Lock()
	for name, n := range m.nodes {
		if _, keep := names[name]; !keep && n.record.Origin == origin {
			gone = append(gone, n.record)
		}
	}
	m.mu.Unlock()
	m.nodeChanges.Unlock()
	for _, record := range gone {
		m.letGo(record)
	}
}

func (m *Manager) letGo(record NodeRecord) {
	err := m.RemoveNode(context.Background(), record.Name, false)
	if errors.Is(err, wire.New(wire.CodeIllegalTransition, "")) {
		if record.Draining {
			return
		}
		m.log.Warn("A node that is not named any more has live tasks; it takes no new ones and leaves when it is empty.", "node", record.Name)
		err = m.Drain(record.Name, 0)
	}
	if err != nil {
		m.log.Error("A node that is not named any more cannot be removed.", "node", record.Name, "error", err)
	}
}
