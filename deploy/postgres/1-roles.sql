-- docker-compose.yml runs the files of this folder once, as the superuser, when it makes the volume.
\getenv owner_password DATABASE_OWNER_PASSWORD
\getenv app_password DATABASE_APP_PASSWORD
CREATE ROLE registrar_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE registrar_app LOGIN PASSWORD :'app_password';
ALTER DATABASE registrar OWNER TO registrar_owner;
