import { useEffect } from "react";
import { useLocation, useNavigate } from "react-router-dom";

let settled = false;

/**
 * Airflow mounts a plugin once more at the first change of the address after its bundle has been loaded, and a field
 * that is being typed into would lose the focus. So the address is "changed" to itself before anybody types.
 *
 * @returns whether that is done, and it is worth asking for something.
 */
export function useSettledRoute(): boolean {
  const navigate = useNavigate();
  const location = useLocation();
  useEffect(() => {
    if (!settled) {
      settled = true;
      void navigate(location, { replace: true, state: location.state as unknown });
    }
  }, [navigate, location]);
  return settled;
}
