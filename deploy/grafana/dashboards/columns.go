package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

// column is one column of a table: a query's value by the table's keys.
type column struct {
	name, expr, unit string
	more             []dashboard.DynamicConfigValue
}

// columns fills a table: the labels named by keys first, then a column a query.
// What the queries have in common, the keys, makes the row.
func columns(t *table.PanelBuilder, keys []string, cols ...column) *table.PanelBuilder {
	order, names := map[string]int{}, map[string]string{}
	for i, key := range keys {
		order[key] = i
	}
	for i, c := range cols {
		t = t.WithTarget(prometheus.NewDataqueryBuilder().
			Datasource(source()).Expr(c.expr).
			EditorMode(prometheus.QueryEditorModeCode).
			Instant().Format(prometheus.PromQueryFormatTable))
		field := "Value #" + letter(i)
		if len(cols) == 1 {
			field = "Value" // the letter tells several apart
		}
		order[field], names[field] = len(keys)+i, c.name
		properties := c.more
		if c.unit != "" {
			properties = append([]dashboard.DynamicConfigValue{property("unit", c.unit)}, properties...)
		}
		t = t.OverrideByName(c.name, properties)
	}
	return t.
		WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true},
			"indexByName":   order,
			"renameByName":  names,
		}})
}

// gauge shows a share as a bar in its cell, coloured by thresholds.
func gauge(yellowFrom, redFrom float64) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		property("min", 0), property("max", 1),
		property("custom.cellOptions", map[string]any{"type": "gauge", "mode": "basic"}),
		limits(yellowFrom, redFrom),
	}
}

// coloured colours a cell's text by thresholds.
func coloured(yellowFrom, redFrom float64) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		property("custom.cellOptions", map[string]any{"type": "color-text"}),
		limits(yellowFrom, redFrom),
	}
}

func limits(yellowFrom, redFrom float64) dashboard.DynamicConfigValue {
	return property("thresholds", map[string]any{"mode": "absolute", "steps": []map[string]any{
		{"value": nil, "color": green}, {"value": yellowFrom, "color": yellow}, {"value": redFrom, "color": red},
	}})
}

// worded shows words for a column's numbers.
func worded(mapping dashboard.ValueMapping) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		property("custom.cellOptions", map[string]any{"type": "color-text"}),
		property("mappings", []dashboard.ValueMapping{mapping}),
	}
}

// linked makes a column's values links.
func linked(title, url string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		property("links", []map[string]any{{"title": title, "url": url}}),
	}
}
