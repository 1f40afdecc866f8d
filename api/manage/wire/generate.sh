#!/bin/sh
# Generates openapi.gen.go and appends the hash of the spec it was made from,
# so that a test can tell a forgotten run without the generator at hand.
set -eu
cd "$(dirname "$0")"
(cd ../../.. && ${OAPI_CODEGEN:-go tool -modfile=tools/go.mod oapi-codegen} -config api/manage/wire/generate.yaml api/manage/openapi.yaml)
hash=$(sha256sum ../openapi.yaml | cut -d' ' -f1)
printf '\n// SpecSHA256 is the hash of the openapi.yaml that this file was made from.\nconst SpecSHA256 = "%s"\n' "$hash" >> openapi.gen.go
