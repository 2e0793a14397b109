// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	dockerref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"

	"github.com/carosio/carosbuild/pkg/xdg"
)

// credentials returns the credentials for an image, found by podman's own reader,
// and the place they are from; without Env there are none.
func (c Client) credentials(ctx context.Context, conf settings, image dockerref.Named) (authn.AuthConfig, string, error) {
	if conf.sys == nil {
		return authn.AuthConfig{}, "", nil
	}
	files := append([]string{conf.sys.AuthFilePath}, c.loginsWithoutRuntimeDir()...)
	if conf.sys.AuthFilePath == "" && c.runtimeDir() == "" {
		files = readable(c.authFiles()) // the reader would report a file without read permission as an error
	}
	for _, f := range files {
		sys := *conf.sys
		sys.AuthFilePath = f
		creds, err := config.GetCredentialsForRef(&sys, image)
		if err != nil {
			return authn.AuthConfig{}, "", fmt.Errorf("read the credentials for %s: %w", image.Name(), err)
		}
		if creds != (types.DockerAuthConfig{}) {
			return authn.AuthConfig{Username: creds.Username, Password: creds.Password, IdentityToken: creds.IdentityToken}, c.authPlace(image), nil
		}
	}
	return c.storedCredentials(ctx, dockerref.Domain(image))
}

func readable(files []string) []string {
	return slices.DeleteFunc(files, func(name string) bool {
		f, err := os.Open(name)
		return err != nil || f.Close() != nil
	})
}

// loginsWithoutRuntimeDir are the files that podman login writes if there is no
// XDG_RUNTIME_DIR. Inside the namespace there always is one.
func (c Client) loginsWithoutRuntimeDir() []string {
	if c.getenv("REGISTRY_AUTH_FILE") != "" {
		return nil
	}
	uid := strconv.Itoa(c.UID)
	var out []string
	for _, f := range []string{filepath.Join(c.root, "/run/containers", uid, "auth.json"), filepath.Join(os.TempDir(), "podman-run-"+uid, "containers", "auth.json")} {
		if isOurs(f) { // anyone can make one in /tmp
			out = append(out, f)
		}
	}
	return out
}

// runtimeDir is XDG_RUNTIME_DIR, if it exists and belongs to this account.
func (c Client) runtimeDir() string {
	if d := c.getenv("XDG_RUNTIME_DIR"); isOurs(d) {
		return d
	}
	return ""
}

// authFiles are the files that may have credentials, in order of precedence.
func (c Client) authFiles() []string {
	if f := c.getenv("REGISTRY_AUTH_FILE"); f != "" {
		return []string{f}
	}
	run := filepath.Join("/run/containers", strconv.Itoa(c.UID))
	if d := c.runtimeDir(); d != "" {
		run = filepath.Join(d, "containers")
	}
	own := []string{filepath.Join(run, "auth.json"), filepath.Join(xdg.ConfigHome(c.getenv), "containers", "auth.json"), c.dockerConfig()}
	return append(own, c.loginsWithoutRuntimeDir()...)
}

func (c Client) dockerConfig() string {
	if d := c.getenv("DOCKER_CONFIG"); d != "" {
		return filepath.Join(d, "config.json")
	}
	return filepath.Join(c.getenv("HOME"), ".docker", "config.json")
}

// authPlace is the file and line of the entry that credentials are from, as far as
// that is known.
func (c Client) authPlace(image dockerref.Named) string {
	for _, f := range c.authFiles() {
		data, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for key := image.Name(); key != "." && key != ""; key = strings.TrimSuffix(key[:strings.LastIndexByte(key, '/')+1], "/") {
			for i, line := range strings.Split(string(data), "\n") {
				if strings.Contains(line, `"`+key+`"`) || key == "docker.io" && strings.Contains(line, "index.docker.io") {
					return f + ":" + strconv.Itoa(i+1)
				}
			}
		}
	}
	return "a credential helper"
}

// storedCredentials asks the credsStore of docker's config.json, which podman
// does not read.
func (c Client) storedCredentials(ctx context.Context, host string) (authn.AuthConfig, string, error) {
	var none authn.AuthConfig
	if c.getenv("REGISTRY_AUTH_FILE") != "" {
		return none, "", nil
	}
	var file struct {
		Auths      map[string]any `json:"auths"`
		CredsStore string         `json:"credsStore"`
	}
	data, err := os.ReadFile(c.dockerConfig())
	if err != nil || json.Unmarshal(data, &file) != nil || file.CredsStore == "" {
		return none, "", nil // the file has already been read
	}
	keys := []string{host, "https://" + host}
	if host == "docker.io" {
		keys = append(keys, "https://index.docker.io/v1/")
	}
	for _, key := range keys {
		if _, ok := file.Auths[key]; !ok {
			continue
		}
		creds, err := askHelper(ctx, file.CredsStore, key)
		if err != nil || creds != none {
			return creds, fmt.Sprintf("the helper %s in %s", file.CredsStore, c.dockerConfig()), err
		}
	}
	return none, "", nil
}

// askHelper runs a docker credential helper.
func askHelper(ctx context.Context, helper, key string) (authn.AuthConfig, error) {
	var none authn.AuthConfig
	if strings.ContainsAny(helper, "/ ") {
		return none, fmt.Errorf("credential helper %q for %s: not a plain name", helper, key)
	}
	cmd := exec.CommandContext(ctx, "docker-credential-"+helper, "get")
	cmd.Stdin = strings.NewReader(key)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || strings.Contains(out.String(), "credentials not found") {
			return none, nil
		}
		return none, fmt.Errorf("credential helper %s for %s: %w", helper, key, err)
	}
	var c struct{ Username, Secret string }
	if err := json.Unmarshal(out.Bytes(), &c); err != nil {
		return none, fmt.Errorf("credential helper %s for %s: %w", helper, key, err)
	}
	if c.Username == "<token>" {
		return authn.AuthConfig{IdentityToken: c.Secret}, nil
	}
	return authn.AuthConfig{Username: c.Username, Password: c.Secret}, nil
}
