package api_test

import (
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"

	"cube/worker/api"
	"cube/worker/task"
	"cube/worker/wire"
)

// description is the part of an OpenAPI file that is held against the code.
type description struct {
	Paths      map[string]map[string]any
	Components struct {
		Schemas map[string]any
	}
}

func readDescription(t *testing.T, name string) description {
	t.Helper()
	text, err := os.ReadFile("../../deploy/openapi/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// member goes down a path of keys, and returns nil where there is no such.
func member(v any, keys ...any) any {
	for _, key := range keys {
		object, ok := v.(map[any]any)
		if !ok {
			return nil
		}
		v = object[key]
	}
	return v
}

// properties are the fields that a schema describes, or one of its variants.
func properties(schema any) []string {
	fields, _ := member(schema, "properties").(map[any]any)
	if fields == nil {
		variants, _ := member(schema, "oneOf").([]any)
		for _, variant := range variants {
			if found := properties(variant); found != nil {
				return found
			}
		}
		return nil
	}
	var names []string
	for name := range fields {
		names = append(names, name.(string))
	}
	return slices.Sorted(slices.Values(names))
}

// fieldsOf are the names that a Go struct has in JSON.
func fieldsOf(v any) []string {
	var names []string
	for field := range reflect.TypeOf(v).Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		names = append(names, name)
	}
	return slices.Sorted(slices.Values(names))
}

func TestDescriptionHasEveryRoute(t *testing.T) {
	var described []string
	for path, methods := range readDescription(t, "worker.yaml").Paths {
		for method := range methods {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	served := api.Routes()
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(described, served) {
		t.Errorf("described are\n%s\nserved are\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

func TestDescriptionHasEveryField(t *testing.T) {
	schemas := readDescription(t, "worker.yaml").Components.Schemas
	for name, v := range map[string]any{
		"Error": wire.Error{}, "Task": task.Task{}, "Event": task.Event{},
		"PortBinding": task.PortBinding{}, "HealthCheck": task.HealthCheck{},
	} {
		if described, there := properties(schemas[name]), fieldsOf(v); !slices.Equal(described, there) {
			t.Errorf("%s: described are %v; there are %v", name, described, there)
		}
	}
	var states []any
	for _, state := range task.States {
		states = append(states, state.String())
	}
	words := member(schemas["State"], "oneOf").([]any)[0]
	if described := member(words, "enum"); !reflect.DeepEqual(described, states) {
		t.Errorf("states: described are %v; there are %v", described, states)
	}
}

// What both APIs speak of is the same in both descriptions.
func TestDescriptionsAgree(t *testing.T) {
	of := readDescription(t, "manager.yaml").Components.Schemas
	for name, schema := range readDescription(t, "worker.yaml").Components.Schemas {
		if !reflect.DeepEqual(of[name], schema) {
			t.Errorf("%s is not the same in the manager's description", name)
		}
	}
}

// described says whether the description has an answer of this status: one by
// itself for a success, the error for anything else.
func (d description) described(method, pattern string, status int) bool {
	operation := d.Paths[pattern][strings.ToLower(method)]
	answer := member(operation, "responses", strconv.Itoa(status))
	if status >= 400 {
		answer = member(operation, "responses", "default")
	}
	return answer != nil
}
