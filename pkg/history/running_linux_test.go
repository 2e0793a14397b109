// SPDX-License-Identifier: MPL-2.0

package history

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b1")
	if Runs(dir) {
		t.Error("a build that never was runs")
	}
	first, err := Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Hold(dir)
	if err != nil || !Runs(dir) {
		t.Errorf("two of an id: %v, %v", err, Runs(dir))
	}
	if err := errors.Join(first(), second()); err != nil || Runs(dir) {
		t.Errorf("after their end: %v, %v", err, Runs(dir))
	}
}
