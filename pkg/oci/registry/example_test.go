// SPDX-License-Identifier: MPL-2.0

package registry_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	server "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// A tag is resolved to a reference that always names the same image. The zero
// Client has no credentials and reads no settings; set Env and UID to use those of
// podman.
func ExampleClient_Resolve() {
	srv := httptest.NewServer(server.New(server.Logger(log.New(io.Discard, "", 0))))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	tag, err := name.ParseReference(host + "/caros/base:1")
	check(err)
	check(remote.Write(tag, empty.Image))

	pinned, err := registry.Client{}.Resolve(context.Background(), tag.Name(), "")
	check(err)
	fmt.Println(strings.TrimPrefix(pinned, host))
	// Output: /caros/base@sha256:732112270d7e59418a8c080b134b24cabd67d250d0d0147a97ed95ba5c280aa4
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
