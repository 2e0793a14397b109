// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// An image without a history can be a base.
func TestAddHistory(t *testing.T) {
	c := NewConfig("amd64")
	c.RootFS.DiffIDs = make([]v1.Hash, 2)
	c.AddHistory("ENV", time.Unix(1, 0), true)
	c.AddHistory("RUN", time.Unix(2, 0), false)
	c.RootFS.DiffIDs = make([]v1.Hash, 3)
	if err := c.CheckHistory(); err != nil || len(c.History) != 4 {
		t.Errorf("%v: %+v", err, c.History)
	}
}
