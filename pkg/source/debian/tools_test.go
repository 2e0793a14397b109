// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}

func readText(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	return string(data)
}
