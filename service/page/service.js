// Requests to the service.

// {response, body}, or {problem}: the service's own problem+json, or that nothing sensible came.
export async function exchange(path, options) {
  try {
    const key = sessionStorage.getItem("key");
    const response = await fetch(path, key ? { ...options, headers: { "X-API-Key": key } } : options);
    const body = await response.json();
    return response.ok ? { response, body } : { problem: body };
  } catch {
    const detail = "The service could not be reached, or did not take the picture.";
    return { problem: { title: "No answer", detail } };
  }
}
