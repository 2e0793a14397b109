// SPDX-License-Identifier: MPL-2.0

package solve

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

func FuzzIndex(f *testing.F) {
	f.Add("Package: a\nVersion: 1\nArchitecture: amd64\nDepends: b (>= 1) | c:any, d [amd64]\nProvides: x (= 1)\nFilename: p/a\nSize: 1\nSHA256: " + strings.Repeat("a", 64) + "\n\nPackage: b\nVersion: 2\nArchitecture: all\n")
	f.Fuzz(func(t *testing.T, text string) {
		u := New("amd64", nil, []string{"sid"})
		if u.Add(0, text) != nil {
			return
		}
		s := NewSolver(u)
		for _, name := range []string{"a", "b"} {
			if s.install([]string{name}) != nil {
				return
			}
		}
		for _, p := range inOrder(s, s.order) {
			if !field.IsPoolPath(p.Filename) || !field.IsSum(p.File.Sum) || p.File.Size < 0 {
				t.Errorf("chosen: %+v", p)
			}
		}
	})
}
