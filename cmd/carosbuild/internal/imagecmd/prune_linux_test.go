// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/history"
)

func TestPruneRule(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	type result struct {
		Rule history.PruneRule
		Most int64
	}
	ago := func(d time.Duration) history.PruneRule { return history.PruneRule{Before: now.Add(-d)} }
	for name, tt := range map[string]struct {
		c    pruneCommand
		args []string
		want result
	}{
		"default":   {pruneCommand{}, nil, result{ago(30 * 24 * time.Hour), -1}},
		"hours":     {pruneCommand{olderThan: "12h"}, nil, result{ago(12 * time.Hour), -1}},
		"days":      {pruneCommand{olderThan: "10d"}, nil, result{ago(240 * time.Hour), -1}},
		"weeks":     {pruneCommand{olderThan: "4w"}, nil, result{ago(4 * 7 * 24 * time.Hour), -1}},
		"months":    {pruneCommand{olderThan: "2mo"}, nil, result{ago(60 * 24 * time.Hour), -1}},
		"years":     {pruneCommand{olderThan: "1y"}, nil, result{ago(365 * 24 * time.Hour), -1}},
		"minutes":   {pruneCommand{olderThan: "0h30m"}, nil, result{ago(30 * time.Minute), -1}},
		"nothing":   {pruneCommand{olderThan: "0d"}, nil, result{ago(0), -1}},
		"size":      {pruneCommand{maxSize: "2M"}, nil, result{history.PruneRule{}, 2 << 20}},
		"both":      {pruneCommand{maxSize: "0", olderThan: "1d"}, nil, result{ago(24 * time.Hour), 0}},
		"all":       {pruneCommand{all: true}, nil, result{history.PruneRule{All: true}, -1}},
		"a century": {pruneCommand{olderThan: "5214w"}, nil, result{ago(5214 * 7 * 24 * time.Hour), -1}},
		"kinds":     {pruneCommand{all: true, only: []string{"git", "builds"}}, nil, result{history.PruneRule{All: true, Only: []string{"git", "builds"}}, -1}},
		"names":     {pruneCommand{}, []string{"a", "b*"}, result{history.PruneRule{Builds: []string{"a", "b*"}}, -1}},
	} {
		rule, most, err := tt.c.rule(tt.args, now)
		if diff := cmp.Diff(tt.want, result{rule, most}); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}
