#!/usr/bin/env bash
# Makes everything in this folder anew: keys, certificates, a small policy, and its signatures in a registry.
#
# Wants cosign of version 2 and 3 as `cosign-v2` and `cosign-v3`, docker-registry, openssl, curl, jq, wabt. The tests
# only read what is committed.
#
#   go install github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
#   go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
#   apt-get install docker-registry openssl curl jq wabt
set -euo pipefail
cd "$(dirname "$0")"

PORT=${PORT:-5055}
REGISTRY=localhost:$PORT
HTTP=http://$REGISTRY
FROM=20200101000000Z
TO=21200101000000Z
SIGNED_AT=1735689600   # 2025-01-01, when the keyless signatures claim to have been logged
export COSIGN_PASSWORD=''

work=$(mktemp -d)
cat >"$work/registry.yml" <<YML
version: 0.1
storage: { filesystem: { rootdirectory: $work/registry }, delete: { enabled: true } }
http: { addr: "localhost:$PORT" }
log: { level: error }
YML
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
server=$!
trap 'kill $server; rm -rf "$work"' EXIT
until curl -fsS "$HTTP/v2/" >/dev/null 2>&1; do sleep 0.1; done

rm -rf keys certificates keyless registry
mkdir -p keys certificates keyless registry/blobs

# --- registry ---------------------------------------------------------------------------------------------------------

digest_of() { echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"; }

push_blob() { # repository file
    local location
    location=$(curl -fsS -X POST -D - -o /dev/null "$HTTP/v2/$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    curl -fsS -X PUT -H 'Content-Type: application/octet-stream' --data-binary @"$2" "$location&digest=$(digest_of "$2")"
}

# A policy as kwctl pushes it; prints its digest.
push_policy() { # repository tag
    printf '{}' >"$work/config.json"
    push_blob "$1" "$work/config.json"
    push_blob "$1" "$work/policy.wasm"
    jq -cnS --arg repository "$1" --arg digest "$(digest_of "$work/policy.wasm")" \
        --argjson size "$(stat -c %s "$work/policy.wasm")" --arg config "$(digest_of "$work/config.json")" '{
            schemaVersion: 2,
            annotations: {"io.kubewarden.policy.title": $repository},
            config: {mediaType: "application/vnd.wasm.config.v1+json", digest: $config, size: 2},
            layers: [{mediaType: "application/vnd.wasm.content.layer.v1+wasm", digest: $digest, size: $size}]
        }' | tr -d '\n' >"$work/manifest.json"
    curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
        --data-binary @"$work/manifest.json" "$HTTP/v2/$1/manifests/$2"
    digest_of "$work/manifest.json"
}

# Copies a repository into registry/: manifests under their tags and digests, blobs under their digests.
keep() { # repository
    local tag file queue
    mkdir -p "registry/$1"
    queue=$(curl -fsS "$HTTP/v2/$1/tags/list" | jq -r '.tags[]')
    while [ -n "$queue" ]; do
        tag=${queue%%$'\n'*}
        queue=$(tail -n +2 <<<"$queue")
        file=registry/$1/${tag/:/-}.json
        [ -e "$file" ] && continue
        curl -fsS -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
            -H 'Accept: application/vnd.oci.image.index.v1+json' -o "$file" "$HTTP/v2/$1/manifests/$tag"
        jq -r '(.config // empty), (.layers // [])[] | .digest' "$file" | while read -r blob; do
            curl -fsS -o "registry/blobs/${blob/:/-}" "$HTTP/v2/$1/blobs/$blob"
        done
        queue=$(printf '%s\n%s' "$(jq -r '(.manifests // [])[].digest' "$file")" "$queue" | sed '/^$/d')
    done
}

# --- keys and certificates --------------------------------------------------------------------------------------------

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

key_pair() { # name
    key "$work/$1.key"
    openssl pkey -in "$work/$1.key" -pubout -out "keys/$1.pub"
    rm -f "$work/$1.cosign.key" "$work/$1.cosign.pub"
    cosign-v2 import-key-pair --yes --key "$work/$1.key" --output-key-prefix "$work/$1.cosign" >/dev/null 2>&1
}

# Certificates are valid for a century, so that no test depends on the day it runs. `openssl ca` is the only command of
# openssl 3.0 that takes a first day.
certificate() { # issuer|self name subject from to extensions
    local issuer=$1 name=$2
    [ -e "$work/$name.key" ] || key "$work/$name.key"
    mkdir -p "$work/ca" && : >"$work/ca/index.txt" && openssl rand -hex 8 >"$work/ca/serial"
    cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = it
[it]
database = $work/ca/index.txt
new_certs_dir = $work/ca
serial = $work/ca/serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = optional
[req]
distinguished_name = name
[name]
[extensions]
$6
CNF
    openssl req -new -key "$work/$name.key" -subj "$3" -config "$work/ca.cnf" -out "$work/$name.csr"
    local signer=(-keyfile "$work/$name.key" -selfsign)
    [ "$issuer" = self ] || signer=(-keyfile "$work/$issuer.key" -cert "$work/$issuer.pem")
    openssl ca -batch -notext -config "$work/ca.cnf" -extensions extensions -startdate "$4" -enddate "$5" \
        "${signer[@]}" -in "$work/$name.csr" -out "$work/$name.pem" 2>/dev/null
}

AUTHORITY='basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash'
SIGNER='basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = codeSigning'

key_pair owner
key_pair somebody-else

certificate self root '/CN=Test root' $FROM $TO "$AUTHORITY"
certificate root intermediate '/CN=Test intermediate' $FROM $TO "$AUTHORITY"
certificate intermediate signer '/CN=Test signer' $FROM $TO "$SIGNER
subjectAltName = email:signer@acme.test"
certificate intermediate somebody-else-certified '/CN=Somebody else' $FROM $TO "$SIGNER
subjectAltName = email:other@acme.test"
cp "$work/signer.key" "$work/expired.key"
certificate intermediate expired '/CN=Test signer' $FROM 20210101000000Z "$SIGNER
subjectAltName = email:signer@acme.test"
certificate self other-root '/CN=Another root' $FROM $TO "$AUTHORITY"
for name in root intermediate signer somebody-else-certified expired other-root; do
    cp "$work/$name.pem" "certificates/$name.pem"
done
cat "$work/intermediate.pem" "$work/root.pem" >certificates/chain.pem
cosign-v2 import-key-pair --yes --key "$work/signer.key" --output-key-prefix "$work/signer.cosign" >/dev/null 2>&1

# --- signatures made by cosign ----------------------------------------------------------------------------------------

# The section that `kwctl annotate` writes; without it no policy-server serves a module.
annotate() { # module metadata
    local section size
    section=$(printf '\x16io.kubewarden.metadata%s' "$2")
    size=${#section}
    # The number of its bytes, in two groups of seven bits.
    printf '\x00%b%s' "\\x$(printf %02x $((size % 128 + 128)))\\x$(printf %02x $((size / 128)))" "$section" >>"$1"
}

wat2wasm ../wat/wapc-accepts.wat -o "$work/policy.wasm"
annotate "$work/policy.wasm" "$(jq -c . policy-metadata.json)"
echo '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}' >"$work/signing-config.json"

sign_v2() { # image, then flags
    local image=$1
    shift
    cosign-v2 sign --yes --tlog-upload=false --allow-http-registry "$@" "$image"
}

sign_v3() {
    local image=$1
    shift
    cosign-v3 sign --yes --signing-config "$work/signing-config.json" --allow-http-registry "$@" "$image"
}

digest=$(push_policy signed/by-key v1)
sign_v2 "$REGISTRY/signed/by-key@$digest" --key "$work/owner.cosign.key"

digest=$(push_policy signed/annotated v1)
sign_v2 "$REGISTRY/signed/annotated@$digest" --key "$work/somebody-else.cosign.key"
sign_v2 "$REGISTRY/signed/annotated@$digest" --key "$work/owner.cosign.key" -a env=prod -a team=platform

digest=$(push_policy signed/by-certificate v1)
sign_v2 "$REGISTRY/signed/by-certificate@$digest" --key "$work/signer.cosign.key" \
    --certificate certificates/signer.pem --certificate-chain certificates/chain.pem

digest=$(push_policy signed/bundle v1)
sign_v3 "$REGISTRY/signed/bundle@$digest" --key "$work/owner.cosign.key" -a env=prod

digest=$(push_policy signed/bundle-by-certificate v1)
sign_v3 "$REGISTRY/signed/bundle-by-certificate@$digest" --key "$work/signer.cosign.key" \
    --certificate certificates/signer.pem --certificate-chain certificates/chain.pem

push_policy signed/not-at-all v1 >/dev/null

# --- keyless: an authority and a transparency log of our own ----------------------------------------------------------

certificate self fulcio-root '/CN=Test authority' $FROM $TO "$AUTHORITY"
certificate fulcio-root fulcio '/CN=Test authority intermediate' $FROM $TO "$AUTHORITY
extendedKeyUsage = codeSigning"
cat "$work/fulcio.pem" "$work/fulcio-root.pem" >"$work/fulcio-chain.pem"
for log in rekor ctfe; do
    key "$work/$log.key"
    openssl pkey -in "$work/$log.key" -pubout -out "$work/$log.pub"
done
cosign-v3 trusted-root create --out "$work/trusted-root.json" \
    --fulcio "url=https://fulcio.acme.test,certificate-chain=$work/fulcio-chain.pem,start-time=2020-01-01T00:00:00Z" \
    --rekor "url=https://rekor.acme.test,public-key=$work/rekor.pub,start-time=2020-01-01T00:00:00Z" \
    --ctfe "url=https://ctfe.acme.test,public-key=$work/ctfe.pub,start-time=2020-01-01T00:00:00Z"
jq '{mediaType: "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json", trustedRoot: .,
     signingConfig: {mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json"}}' \
    "$work/trusted-root.json" >keyless/trust-config.json

hex_of() { printf '%s' "$1" | xxd -p | tr -d '\n'; }

# Signs an image as `cosign sign` does without a key: certificate for ten minutes, entry in the log, both attached.
sign_keyless() { # repository digest name issuer san [workflow repository]
    local name=$3 extra='' payload sig body set log_id
    [ -z "${6:-}" ] || extra="1.3.6.1.4.1.57264.1.5 = DER:$(hex_of "$6")"
    certificate fulcio "$name" '/' 20241231235500Z 20250101000500Z "$SIGNER
subjectAltName = critical, $5
1.3.6.1.4.1.57264.1.1 = DER:$(hex_of "$4")
$extra"
    payload=$work/$name.payload
    printf '{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}' \
        "$REGISTRY/$1" "$2" >"$payload"
    sig=$(openssl dgst -sha256 -sign "$work/$name.key" "$payload" | base64 -w0)
    printf '%s' "$sig" >"$work/$name.sig"
    body=$(jq -cnS --arg hash "$(sha256sum "$payload" | cut -d' ' -f1)" --arg sig "$sig" \
        --arg certificate "$(base64 -w0 "$work/$name.pem")" '{
            apiVersion: "0.0.1", kind: "hashedrekord",
            spec: {data: {hash: {algorithm: "sha256", value: $hash}},
                   signature: {content: $sig, publicKey: {content: $certificate}}}
        }' | tr -d '\n' | base64 -w0)
    log_id=$(openssl pkey -pubin -in "$work/rekor.pub" -outform DER | sha256sum | cut -d' ' -f1)
    printf '{"body":"%s","integratedTime":%s,"logID":"%s","logIndex":7}' "$body" $SIGNED_AT "$log_id" >"$work/entry.json"
    set=$(openssl dgst -sha256 -sign "$work/rekor.key" "$work/entry.json" | base64 -w0)
    jq -c --arg set "$set" '{base64Signature: "", cert: "", rekorBundle: {SignedEntryTimestamp: $set, Payload: .}}' "$work/entry.json" >"$work/rekor-bundle.json"
    cosign-v2 attach signature --allow-http-registry --payload "$payload" --signature "$work/$name.sig" \
        --certificate "$work/$name.pem" --certificate-chain "$work/fulcio-chain.pem" \
        --rekor-response "$work/rekor-bundle.json" "$REGISTRY/$1@$2"
}

GITHUB=https://token.actions.githubusercontent.com
WORKFLOW=https://github.com/acme/policies/.github/workflows/release.yml@refs/tags/v1

digest=$(push_policy signed/keyless v1)
sign_keyless signed/keyless "$digest" workflow $GITHUB "URI:$WORKFLOW" acme/policies
sign_keyless signed/keyless "$digest" person https://accounts.acme.test email:dev@acme.test

for repository in by-key annotated by-certificate bundle bundle-by-certificate keyless not-at-all; do
    keep signed/$repository
done
chmod -R u+w,a+r .

# --- cosign agrees ----------------------------------------------------------------------------------------------------

verify() { "$@" >/dev/null 2>"$work/verify.log" || { cat "$work/verify.log"; echo "refused: $*"; exit 1; }; }

common=(--allow-http-registry --private-infrastructure)
verify cosign-v2 verify "${common[@]}" --key keys/owner.pub "$REGISTRY/signed/by-key:v1"
verify cosign-v2 verify "${common[@]}" --key keys/owner.pub -a env=prod "$REGISTRY/signed/annotated:v1"
verify cosign-v2 verify "${common[@]}" --certificate certificates/signer.pem --certificate-chain certificates/chain.pem \
    --certificate-identity signer@acme.test --certificate-oidc-issuer-regexp '.*' --insecure-ignore-sct \
    "$REGISTRY/signed/by-certificate:v1"
verify cosign-v3 verify "${common[@]}" --key keys/owner.pub -a env=prod "$REGISTRY/signed/bundle:v1"
verify cosign-v2 verify --allow-http-registry --offline --insecure-ignore-sct --trusted-root "$work/trusted-root.json" \
    --certificate-identity "$WORKFLOW" --certificate-oidc-issuer $GITHUB "$REGISTRY/signed/keyless:v1"
verify cosign-v2 verify --allow-http-registry --offline --insecure-ignore-sct --trusted-root "$work/trusted-root.json" \
    --certificate-identity dev@acme.test --certificate-oidc-issuer https://accounts.acme.test "$REGISTRY/signed/keyless:v1"
