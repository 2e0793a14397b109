// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"testing"

	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/google/go-cmp/cmp"
)

func TestNewIDMap(t *testing.T) {
	const lines = "other:1:70000\nme:100000:65536\n1000:300000:10\n"
	for _, tt := range []struct {
		name           string
		a              Account
		subuid, subgid string
		want           IDMap
		refused        bool
	}{
		{"ranges", Account{1000, 50, "me"}, lines, "me:200000:65536\n", IDMap{
			[]IDRange{{0, 1000, 1}, {1, 100000, 65536}, {65537, 300000, 10}}, []IDRange{{0, 50, 1}, {1, 200000, 65536}},
		}, false},
		{"none", Account{1000, 50, "nobody-else"}, "other:1:70000\n", lines, IDMap{}, true},
		{"too few", Account{1000, 50, "me"}, "me:100000:1000\n", lines, IDMap{}, true},
		{"garbage", Account{1000, 50, "me"}, "me:x:65536\nme:1\n:::\n", lines, IDMap{}, true},
		{
			"superuser",
			Account{0, 0, "root"},
			"0 0 4294967295\n", "0 0 4294967295\n",
			IDMap{[]IDRange{{0, 0, 65536}}, []IDRange{{0, 0, 65536}}},
			false,
		},
		{
			"superuser of a container",
			Account{0, 0, "root"},
			"         0       1000          1\n         1     165536      65535\n", "0 5 65535\n",
			IDMap{[]IDRange{{0, 0, 1}, {1, 1, 65535}}, []IDRange{{0, 0, 65535}}},
			false,
		},
		{"superuser with one id", Account{0, 0, "root"}, "0 1000 1\n", "0 1000 1\n", IDMap{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NewIDMap(tt.a, []byte(tt.subuid), []byte(tt.subgid))
			if (err != nil) != tt.refused || tt.refused && !remedy.Is(err) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" && !tt.refused {
				t.Errorf("map (-got +want):\n%s", diff)
			}
		})
	}
}
