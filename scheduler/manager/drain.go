package manager

// Drain says whether a node takes no new tasks (true) or takes them again, and
// returns once that is on disk.
func (m *Manager) Drain(name string, draining bool) error {
	m.nodeChanges.Lock()
	defer m.nodeChanges.Unlock()
	m.mu.Lock()
	n := m.nodes[name]
	if n == nil {
		m.mu.Unlock()
		return notFound("node", name)
	}
	record := n.record
	m.mu.Unlock()
	if record.Draining == draining {
		return nil
	}
	record.Draining = draining
	if err := m.changeNode(record); err != nil {
		return err
	}
	m.log.Info("A node was told whether to take new tasks.", "node", name, "draining", draining)
	return nil
}
