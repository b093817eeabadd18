{{- define "intune-graphql.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "intune-graphql.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "intune-graphql.labels" -}}
{{ include "intune-graphql.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "intune-graphql.image" -}}
{{- $repository := required "image.repository is required: the image that you built and pushed" .Values.image.repository -}}
{{- if .Values.image.digest }}{{ $repository }}@{{ .Values.image.digest }}
{{- else }}{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The largest number of replicas. */}}
{{- define "intune-graphql.replicas" -}}
{{- .Values.autoscaling.enabled | ternary .Values.autoscaling.maxReplicas .Values.replicaCount | int -}}
{{- end }}

{{/* Fails if replicas would not understand each other's cursors, or if keys would be stored in two places. */}}
{{- define "intune-graphql.check" -}}
{{- if and .Values.sharedState.existingSecret .Values.state.enabled }}
{{- fail "sharedState.existingSecret replaces state.enabled: set one of them" }}
{{- end }}
{{- if and (gt (include "intune-graphql.replicas" . | int) 1) (not .Values.cursorKey.existingSecret) }}
{{- fail "cursorKey.existingSecret is required with more than one replica: a cursor from one would be invalid on the others. Create it with: kubectl create secret generic cursor-key --from-literal=cursor.key=\"$(openssl rand -base64 32)\"" }}
{{- end }}
{{- end }}

{{/* The keys of sharedState's Secret that are files. */}}
{{- define "intune-graphql.sharedStateFiles" -}}
{{- with .Values.sharedState }}
{{- if .existingSecret }}
{{- range $key := list .passwordKey .caKey | compact }}
- key: {{ $key }}
  path: {{ $key }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "intune-graphql.pod" -}}
metadata:
  labels:
    {{- include "intune-graphql.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "intune-graphql.fullname" . }}
  automountServiceAccountToken: false
  # A Service of this name would add variables that look like settings.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add .Values.drain.delay .Values.drain.timeout 5 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile:
      type: RuntimeDefault
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "intune-graphql.selector" . | nindent 10 }}
  containers:
    - name: gateway
      image: {{ include "intune-graphql.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      env:
        - name: INTUNE_GRAPHQL_CONFIG
          value: /etc/intune-graphql/config.toml
        - name: INTUNE_GRAPHQL_LISTEN
          value: 0.0.0.0:4000
        - name: INTUNE_GRAPHQL_ADMIN_LISTEN
          value: 0.0.0.0:4001
        - name: INTUNE_GRAPHQL_DRAIN_DELAY
          value: {{ printf "%vs" .Values.drain.delay }}
        - name: INTUNE_GRAPHQL_DRAIN_TIMEOUT
          value: {{ printf "%vs" .Values.drain.timeout }}
        - name: INTUNE_GRAPHQL_LOG_FORMAT
          value: json
        {{- if .Values.cursorKey.existingSecret }}
        - name: INTUNE_GRAPHQL_CURSOR_KEY_FILE
          value: /etc/intune-graphql/cursor/{{ .Values.cursorKey.key }}
        {{- end }}
        {{- if .Values.tls.existingSecret }}
        - name: INTUNE_GRAPHQL_TLS_CERT
          value: /etc/intune-graphql/tls/tls.crt
        - name: INTUNE_GRAPHQL_TLS_KEY
          value: /etc/intune-graphql/tls/tls.key
        {{- end }}
        {{- with .Values.sharedState }}
        {{- if .existingSecret }}
        - name: INTUNE_GRAPHQL_STATE_URL
          valueFrom:
            secretKeyRef:
              name: {{ .existingSecret }}
              key: {{ .urlKey }}
        {{- if .passwordKey }}
        - name: INTUNE_GRAPHQL_STATE_PASSWORD_FILE
          value: /etc/intune-graphql/shared-state/{{ .passwordKey }}
        {{- end }}
        {{- if .caKey }}
        - name: INTUNE_GRAPHQL_STATE_CA
          value: /etc/intune-graphql/shared-state/{{ .caKey }}
        {{- end }}
        {{- end }}
        {{- end }}
        {{- if .Values.state.enabled }}
        - name: INTUNE_GRAPHQL_STATE_FILE
          value: /var/lib/intune-graphql/state
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: graphql
          containerPort: 4000
        - name: admin
          containerPort: 4001
      startupProbe:
        httpGet: { path: /livez, port: admin }
        periodSeconds: 1
        failureThreshold: 30
      livenessProbe:
        httpGet: { path: /livez, port: admin }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      # 503 while the gateway stops, and while the state file cannot be written. Graph and the server of sharedState have
      # no influence.
      readinessProbe:
        httpGet: { path: /readyz, port: admin }
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 2
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: config
          mountPath: /etc/intune-graphql/config.toml
          subPath: config.toml
          readOnly: true
        {{- if .Values.cursorKey.existingSecret }}
        - name: cursor-key
          mountPath: /etc/intune-graphql/cursor
          readOnly: true
        {{- end }}
        {{- if .Values.tls.existingSecret }}
        - name: tls
          mountPath: /etc/intune-graphql/tls
          readOnly: true
        {{- end }}
        {{- if include "intune-graphql.sharedStateFiles" . }}
        - name: shared-state
          mountPath: /etc/intune-graphql/shared-state
          readOnly: true
        {{- end }}
        {{- if .Values.state.enabled }}
        - name: state
          mountPath: /var/lib/intune-graphql
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "intune-graphql.fullname" . }}
    {{- if .Values.cursorKey.existingSecret }}
    - name: cursor-key
      secret:
        secretName: {{ .Values.cursorKey.existingSecret }}
        defaultMode: 0440
    {{- end }}
    {{- if .Values.tls.existingSecret }}
    - name: tls
      secret:
        secretName: {{ .Values.tls.existingSecret }}
        defaultMode: 0440
    {{- end }}
    {{- with include "intune-graphql.sharedStateFiles" . }}
    - name: shared-state
      secret:
        secretName: {{ $.Values.sharedState.existingSecret }}
        defaultMode: 0440
        items:
          {{- . | trim | nindent 10 }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
