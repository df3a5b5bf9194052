package prometheus

import (
	"embed"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v2"
)

//go:embed rules/*.yml
var ruleFiles embed.FS

// Rule is a recording rule or an alert: one of Record and Alert is set.
type Rule struct {
	File        string            `yaml:"-"` // "rules/nodes.yml"
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Name is the recorded metric's or the alert's.
func (r Rule) Name() string { return r.Record + r.Alert }

// ruleFile is Prometheus' format of a file of rules.
type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []Rule `yaml:"rules"`
	} `yaml:"groups"`
}

// Rules returns all rules of the folder, by file and in the order there.
func Rules() ([]Rule, error) {
	files, err := fs.Glob(ruleFiles, "rules/*.yml")
	if err != nil {
		return nil, fmt.Errorf("the rule files: %w", err)
	}
	var rules []Rule
	for _, name := range files {
		text, err := ruleFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("the rule file: %w", err)
		}
		var file ruleFile
		if err := yaml.UnmarshalStrict(text, &file); err != nil {
			return nil, fmt.Errorf("the rule file %s: %w", name, err)
		}
		for _, group := range file.Groups {
			for _, rule := range group.Rules {
				rule.File = name
				rules = append(rules, rule)
			}
		}
	}
	return rules, nil
}
