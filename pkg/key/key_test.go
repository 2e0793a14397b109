// SPDX-License-Identifier: MPL-2.0

package key

import (
	"strings"
	"testing"
)

// Keys that stores and registries have stay what they are. The digests were computed
// by another program.
func TestKeysAreTheSameForever(t *testing.T) {
	for _, tt := range []struct {
		of     func(...string) string
		fields []string
		want   string
	}{
		{Step, nil, "517f97f35a2625580dbc6c2084b3863d4384b9d92edfa13010ae6c916283c4cc"},
		{Step, []string{"a", "bc"}, "c78d8b71fa1122b29fe8a8535606f52cd5448299ee053e51459aa873a7b2b631"},
		{Name, []string{"pin image", "debian:12", "amd64"}, "705ee5584c1ff84fc6f55398893f1a6a4fe818a52695d98b12f0ce3a12813298"},
	} {
		if got := tt.of(tt.fields...); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.fields, got, tt.want)
		}
	}
}

// No two lists of fields run together.
func TestFieldsAreFramed(t *testing.T) {
	seen := map[string][]string{}
	for _, fields := range [][]string{
		nil,
		{""},
		{"", ""},
		{"a"},
		{"ab"},
		{"a", "b"},
		{"b", "a"},
		{"a", "", "b"},
		{"", "a", "b"},
		{"a", "b", ""},
		{List([]string{"a", "b"})},
		{List([]string{"ab"})},
		{List([]string{"a"}), List([]string{"b"})},
		{List(nil), List([]string{"a", "b"})},
	} {
		k := Step(fields...)
		if other, ok := seen[k]; ok {
			t.Errorf("%q and %q have one key", other, fields)
		}
		seen[k] = fields
		if !IsKey(k) {
			t.Errorf("%s is not taken as a key", k)
		}
	}
}

func TestIsKey(t *testing.T) {
	for s, want := range map[string]bool{
		strings.Repeat("0f", 32): true, strings.Repeat("0F", 32): false, strings.Repeat("0", 63): false, strings.Repeat("0", 65): false,
		"": false, strings.Repeat("../", 21) + "a": false,
	} {
		if IsKey(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
