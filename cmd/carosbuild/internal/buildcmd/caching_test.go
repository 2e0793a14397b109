// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/oci"
)

func TestCacheOptions(t *testing.T) {
	const a, b = "registry.example.org/a", "oci:b"
	both := cachePlaces{from: []string{a}, to: []cacheTarget{{ref: a}}}
	for name, test := range map[string]struct {
		options  cacheOptions
		variable string
		want     cachePlaces
		err      string
	}{
		"none":                  {},
		"the variable":          {variable: a, want: both},
		"cache":                 {options: cacheOptions{cache: a}, variable: b, want: both},
		"only read":             {options: cacheOptions{from: []string{a, b}}, variable: b, want: cachePlaces{from: []string{a, b}}},
		"only write":            {options: cacheOptions{to: []string{b}}, variable: a, want: cachePlaces{to: []cacheTarget{{ref: b}}}},
		"read from another one": {options: cacheOptions{cache: a, from: []string{b}}, want: cachePlaces{from: []string{a, b}, to: both.to}},
		"settings": {options: cacheOptions{to: []string{a + ",mode=stage,compression=zstd,level=19", b + ",mode=step"}}, want: cachePlaces{to: []cacheTarget{
			{ref: a, stages: true, options: oci.PushOptions{Compression: oci.Zstd, Level: 19}}, {ref: b},
		}}},
		"no repository":   {options: cacheOptions{cache: "registry.example.org"}, err: "want REGISTRY/REPOSITORY"},
		"a tag":           {options: cacheOptions{from: []string{a + ":1"}}, err: "tag or a digest"},
		"upper case":      {options: cacheOptions{cache: "registry.example.org/Caros"}, err: "is in lower case"},
		"a wrong name":    {variable: "a/b", err: "want REGISTRY/REPOSITORY"},
		"mode":            {options: cacheOptions{to: []string{a + ",mode=max"}}, err: "want mode=step"},
		"compression":     {options: cacheOptions{to: []string{a + ",compression=xz"}}, err: "want gzip or zstd"},
		"level":           {options: cacheOptions{to: []string{a + ",level=10"}}, err: "levels 1 to 9"},
		"level of zstd":   {options: cacheOptions{to: []string{a + ",level=23,compression=zstd"}}, err: "levels 1 to 22"},
		"no level":        {options: cacheOptions{to: []string{a + ",level=high"}}, err: "not a positive number"},
		"another setting": {options: cacheOptions{to: []string{a + ",ttl=1"}}, err: "ttl=1"},
	} {
		got, err := test.options.read(test.variable)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: %v, want %s", name, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		targets := cmp.Comparer(func(x, y cacheTarget) bool {
			return x.ref == y.ref && x.stages == y.stages && x.options.Compression == y.options.Compression && x.options.Level == y.options.Level
		})
		if diff := cmp.Diff(got, test.want, cmp.AllowUnexported(cachePlaces{}), targets); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
}
