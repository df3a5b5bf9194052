package dashboards

import (
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	sdk "github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// Dashboard is one dashboard and the file that holds it.
type Dashboard struct {
	File  string // "fleet.json"
	Model Model
}

// All builds the dashboards. The error names what the SDK refuses.
func All() ([]Dashboard, error) {
	boards := []struct {
		file  string
		build func() *builder
	}{
		{"fleet.json", fleet},
		{"node.json", node},
		{"scheduler.json", scheduler},
	}
	all := make([]Dashboard, 0, len(boards))
	for _, board := range boards {
		model, err := board.build().Build()
		if err != nil {
			return nil, fmt.Errorf("the dashboard %s: %w", board.file, err)
		}
		number(model.Panels)
		showControls(&model)
		all = append(all, Dashboard{File: board.file, Model: model})
	}
	return all, nil
}

// JSON returns the file's text.
func (d Dashboard) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(d.Model, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("the dashboard %s: %w", d.File, err)
	}
	return append(text, '\n'), nil
}

// number gives every panel its ID, by which links to a single panel find it, and
// every query of a panel its letter, by which columns and overrides name it.
func number(panels []dashboard.PanelOrRowPanel) {
	for i, p := range panels {
		id := uint32(i + 1)
		if p.Panel == nil {
			p.RowPanel.Id = id
			continue
		}
		p.Panel.Id = &id
		for j, target := range p.Panel.Targets {
			if query, ok := target.(sdk.Dataquery); ok {
				query.RefId = ptr(letter(j))
				p.Panel.Targets[j] = query
			}
		}
	}
}

// letter is the name of a panel's query by its place.
func letter(i int) string { return string(rune('A' + i)) }

// showControls puts links and the switches of marks beside the variables: the
// SDK hides them in a menu.
func showControls(model *Model) {
	for i := range model.Links {
		model.Links[i].Placement = nil
	}
	for i := range model.Annotations.List {
		model.Annotations.List[i].Placement = nil
	}
}
