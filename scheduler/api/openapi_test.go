package api

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"

	"cube/scheduler"
	"cube/worker/task"
	"cube/worker/wire"
)

// description is the part of the OpenAPI file that is held against the code.
type description struct {
	Paths      map[string]map[string]any
	Components struct {
		Schemas map[string]schema
	}
}

type schema struct {
	Properties map[string]any
	OneOf      []schema `yaml:"oneOf"`
	Enum       []string
}

func readDescription(t *testing.T) description {
	t.Helper()
	text, err := os.ReadFile("../../deploy/openapi/manager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDescriptionHasEveryRoute(t *testing.T) {
	var want, got []string
	for _, route := range Routes() {
		for _, method := range route.Methods {
			want = append(want, method+" "+strings.TrimSuffix(route.Path, "{$}"))
		}
	}
	for path, methods := range readDescription(t).Paths {
		for method := range methods {
			if method != "parameters" {
				got = append(got, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("described are\n%s\nserved are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDescriptionHasEveryField(t *testing.T) {
	schemas := readDescription(t).Components.Schemas
	for name, v := range map[string]any{
		"Error": wire.Error{}, "Task": task.Task{}, "Event": task.Event{}, "PlacedTask": wire.PlacedTask{}, "Submitted": wire.Submitted{},
		"PortBinding": task.PortBinding{}, "HealthCheck": task.HealthCheck{}, "Resources": task.Resources{},
		"Join": wire.Join{}, "MetricsFrom": wire.MetricsFrom{}, "Drain": wire.Drain{}, "Node": wire.Node{}, "TargetGroup": wire.TargetGroup{},
		"Candidate": scheduler.Candidate{}, "Component": scheduler.Component{},
		"Decision": scheduler.Decision{}, "Refusal": scheduler.Refusal{}, "RefusalCount": scheduler.RefusalCount{},
	} {
		described := schemas[name]
		for _, one := range described.OneOf {
			if one.Properties != nil {
				described = one
			}
		}
		got := slices.Sorted(maps.Keys(described.Properties))
		if want := fieldsOf(reflect.TypeOf(v)); !slices.Equal(got, want) {
			t.Errorf("%s is described with\n%v\nand has\n%v", name, got, want)
		}
	}
}

// fieldsOf lists the JSON names of a struct's fields, sorted.
func fieldsOf(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			names = append(names, fieldsOf(field.Type)...)
		case name == "":
			names = append(names, field.Name)
		case name != "-":
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestDescriptionHasEveryWord(t *testing.T) {
	schemas := readDescription(t).Components.Schemas
	var states []string
	for _, state := range task.States {
		states = append(states, state.String())
	}
	if got := schemas["State"].OneOf[0].Enum; !slices.Equal(got, states) {
		t.Errorf("the states described are %v, want %v", got, states)
	}
	code, _ := schemas["Error"].Properties["Code"].(map[any]any)
	for _, word := range code["enum"].([]any) {
		// A code without a status of its own is one that does not exist.
		if e := wire.New(wire.Code(fmt.Sprint(word)), ""); e.HTTPStatusCode == 500 && word != "internal" {
			t.Errorf("the code %q is described and does not exist", word)
		}
	}
}
