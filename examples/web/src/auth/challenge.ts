/**
 * The claims that a `WWW-Authenticate` header demands, as JSON text for a sign-in library; undefined if it demands none.
 * The header encodes them in base64 or base64url, with or without padding.
 */
export function claimsOf(wwwAuthenticate: string | undefined): string | undefined {
  const claims = wwwAuthenticate?.match(/\bclaims="?([\w+/=-]+)/)?.[1];
  return claims && atob(claims.replaceAll('-', '+').replaceAll('_', '/'));
}
