-- AWS CloudTrail log files, as CloudTrail delivers them to a bucket.
-- Fields: "CloudTrail record contents" in the AWS CloudTrail User Guide.
-- records: Records
SELECT
  json_get_str(raw, 'eventID') AS id,
  split_part(json_get_str(raw, 'eventSource'), '.', 1)
    || '.' || json_get_str(raw, 'eventName') AS type,
  json_get_str(raw, 'eventTime') AS occurred_at,
  json_get_str(raw, 'recipientAccountId') AS tenant_id,
  json_get_str(raw, 'awsRegion') AS namespace,
  json_get_str(raw, 'userIdentity', 'type') AS actor_kind,
  coalesce(
    json_get_str(raw, 'userIdentity', 'arn'),
    json_get_str(raw, 'userIdentity', 'principalId'),
    json_get_str(raw, 'userIdentity', 'invokedBy')
  ) AS actor_id,
  coalesce(
    json_get_str(raw, 'userIdentity', 'userName'),
    json_get_str(raw, 'userIdentity', 'sessionContext', 'sessionIssuer', 'userName')
  ) AS actor_label,
  json_get_str(raw, 'resources', 0, 'type') AS target_kind,
  json_get_str(raw, 'resources', 0, 'ARN') AS target_id,
  CASE
    WHEN json_get_str(raw, 'errorCode') IS NULL THEN 'success'
    WHEN json_get_str(raw, 'errorCode') LIKE '%AccessDenied%'
      OR json_get_str(raw, 'errorCode') LIKE '%Unauthorized%' THEN 'denied'
    ELSE 'failure'
  END AS outcome,
  json_get_str(raw, 'errorMessage') AS reason,
  -- A service that calls on somebody's behalf stands here by name; it stays in data.
  CASE
    WHEN in_network(json_get_str(raw, 'sourceIPAddress'), '0.0.0.0/0') IS NOT NULL
      THEN json_get_str(raw, 'sourceIPAddress')
  END AS context_ip,
  json_get_str(raw, 'userAgent') AS context_user_agent,
  json_get_str(raw, 'requestID') AS context_request_id,
  json_except(
    raw, 'eventID', 'eventTime', 'awsRegion', 'userAgent', 'requestID', 'errorMessage'
  ) AS data
FROM source
