module github.com/carosio/carosbuild/integration/govmomi

go 1.26.0

require (
	github.com/carosio/carosbuild v0.0.0
	github.com/vmware/govmomi v0.53.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.34.0 // indirect
)

replace github.com/carosio/carosbuild => ../..
